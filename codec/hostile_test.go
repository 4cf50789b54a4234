package codec_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

type node struct {
	V    int
	Next *node
	Kids []node
	Any  any
}

type bulky struct {
	A     int8
	Cache [512]byte `parley:"-"`
}

// hostileTargets are the types that bytes of strangers are decoded into.
var hostileTargets = []any{
	new(any), new(every), new(input), new(node), new(bool), new(int8), new(uint64), new(float32), new(float64),
	new(string), new([]byte), new([4]byte), new(time.Time), new(time.Duration), new(*int), new(struct{}),
	new(map[string]int), new(map[int]string), new(map[uint8]any), new(map[string]any), new([]any), new([]string),
	new([][]int8), new([][][]byte), new([3]int), new([]map[string]any), new([]struct{}), new([]*inner),
	new([]map[int8]int8), new(map[string]map[string]string), new([]time.Time), new([]bulky), new(map[int16][300]byte),
	new(genInput), new(genSnapshot), new(genLoose), new(genWides), new(genNames), new(genBorrow), new([]genPlayer),
	new(map[string]genVec), new(struct{ G *genPlayer }), new([]genWide),
}

// corpus are messages of every kind.
func corpus() map[string][]byte {
	f := full()
	snap := sampleSnapshot(2)
	c := map[string][]byte{}
	for name, v := range map[string]any{
		"every": f, "input": *plainInput, "node": node{V: 1, Next: &node{Any: []any{1}}, Kids: []node{{}, {}}},
		"any":  map[string]any{"a": []any{1, -1, 1.5, "s", []byte("b"), nil, time.Unix(9, 9)}, "b": map[int]string{1: "x"}},
		"snap": snap, "loose": genLoose{A: 1, B: "b", Kids: []genVec{{1, 2, 3}}},
		"names": []string{"a", "bb", ""}, "bin": []byte("bytes"), "nums": []int8{1, 2, 3}, "map": map[string]int{"a": 1, "b": 2},
		"ints": map[int]string{-1: "a", 300: "b"}, "time": time.Unix(1<<40, 1), "wides": genWides{List: make([]genWide, 1)},
		"uints": map[uint64]int{1: 1, 1 << 63: 2},
	} {
		c[name] = must(codec.Msgp{}.Append(nil, v))
	}
	return c
}

var memBefore, memAfter runtime.MemStats

// tryAll decodes b into a fresh value of each target's type and checks the laws
// that hold for all bytes.
func tryAll(t *testing.T, b []byte, measure bool) {
	t.Helper()
	for _, target := range hostileTargets {
		try(t, b, reflect.New(reflect.TypeOf(target).Elem()).Interface(), measure)
	}
}

func try(t testing.TB, b []byte, v any, measure bool) {
	t.Helper()
	if measure {
		runtime.ReadMemStats(&memBefore)
	}
	rest, err := codec.Msgp{}.Decode(b, v)
	if measure {
		runtime.ReadMemStats(&memAfter)
		if got, most := memAfter.TotalAlloc-memBefore.TotalAlloc, uint64(64<<10+64*len(b)); got > most {
			t.Errorf("%T from %d bytes %.64x: %d bytes allocated, at most %d allowed", v, len(b), b, got, most)
		}
	}
	if err != nil {
		if !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%T from %.64x: %v is not ErrMalformed", v, b, err)
		}
		if !strings.HasPrefix(err.Error(), "codec: ") || len(err.Error()) > 8192 {
			t.Errorf("%T: error of %d bytes: %.200s", v, len(err.Error()), err.Error())
		}
		if !reflect.ValueOf(v).Elem().IsZero() {
			t.Errorf("%T from %.64x: not zero after an error", v, b)
		}
		if len(rest) != len(b) {
			t.Errorf("%T: rest is not src after an error", v)
		}
		return
	}
	if len(rest) > len(b) || string(rest) != string(b[len(b)-len(rest):]) || len(rest) == len(b) {
		t.Errorf("%T from %.64x: rest is not the end of src", v, b)
	}
	again, err := codec.Msgp{}.Append(nil, v)
	if err != nil {
		// What decodes can be sent, except where the sender's shorter form has
		// a smaller budget.
		if !strings.Contains(err.Error(), "a peer would take") {
			t.Errorf("%T from %.64x: decoded, and Append says %v", v, b, err)
		}
		return
	}
	twin := reflect.New(reflect.TypeOf(v).Elem())
	if _, err := (codec.Msgp{}).Decode(again, twin.Interface()); err != nil {
		t.Errorf("%T: what Append wrote, %.64x, Decode refuses: %v", v, again, err)
		return
	}
	if third := must(codec.Msgp{}.Append(nil, twin.Interface())); string(third) != string(again) {
		t.Errorf("%T: not stable:\n%.200x\n%.200x", v, again, third)
	}
}

func TestEveryPrefix(t *testing.T) {
	for name, msg := range corpus() {
		for n := range msg {
			tryAll(t, msg[:n], n%16 == 0)
		}
		t.Log(name, len(msg))
	}
}

// TestEveryByteChange sets each byte of a short message to all values, and of a
// long one, which repeats itself, to some, with others at the next place.
func TestEveryByteChange(t *testing.T) {
	step, every := 4, 4 // of values, and of places for all targets
	if raced {
		step, every = 16, 16
	}
	for name, msg := range corpus() {
		bad := append([]byte(nil), msg...)
		step, every := step, every
		if len(msg) <= 40 {
			step, every = max(1, step/8), max(1, every/8)
		}
		for i := range msg {
			for x := i % step; x < 256; x += step {
				bad[i] = byte(x)
				switch name {
				case "snap":
					try(t, bad, new(genSnapshot), false)
				case "every":
					try(t, bad, new(every), false)
				case "loose":
					try(t, bad, new(genLoose), false)
				default:
					try(t, bad, new(any), false)
				}
			}
			for _, x := range []byte{0xc0, 0xdd} {
				if bad[i] = x; i%every == 0 {
					tryAll(t, bad, i%32 == 0)
				}
			}
			bad[i] = msg[i]
		}
	}
}

// TestSizeBombs announces sizes that do not follow, in every kind of header, at
// the top and within messages.
func TestSizeBombs(t *testing.T) {
	var wraps = [][]byte{nil, {0x91}, {0x92, 0x01}, {0x81, 0xa1, 'a'}, {0x81, 0x01}, {0x92, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1},
		{0x81, 0xa1, 'l'}, {0x82, 0xa4, 'k', 'i', 'd', 's'}, {0x93, 0x01}, {0xdd, 0, 0, 0, 1}}
	fill := make([]byte, 300)
	for i := range fill {
		fill[i] = 0xc0
	}
	for _, lead := range []byte{0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf} {
		for _, n := range []uint32{1, 255, 256, 1<<16 - 1, 100_000_000, 1<<31 - 1, 1<<32 - 1} {
			head := binary.BigEndian.AppendUint32([]byte{lead}, n)
			switch lead {
			case 0xc4, 0xc7, 0xd9:
				if n > 255 {
					continue
				}
				head = []byte{lead, byte(n)}
			case 0xc5, 0xc8, 0xda, 0xdc, 0xde:
				if n > 1<<16-1 {
					continue
				}
				head = binary.BigEndian.AppendUint16([]byte{lead}, uint16(n))
			}
			for i, wrap := range wraps {
				for j, tail := range [][]byte{nil, {0}, fill} {
					if raced && (i+j)%3 != 0 {
						continue
					}
					b := append(append(append([]byte(nil), wrap...), head...), tail...)
					tryAll(t, b, tail == nil && n > 1<<16 && !raced)
				}
			}
		}
	}
}

// TestAmplifiers sends the shapes that take the most memory for each byte.
func TestAmplifiers(t *testing.T) {
	for _, unit := range map[string][]byte{
		"nil": {0xc0}, "empty map": {0x80}, "empty array": {0x90}, "small map": {0x81, 0xa0, 0xc0}, "int map": {0x81, 0x01, 0xc0},
		"two ints": {0x92, 0x01, 0x02}, "one int": {0x91, 0x05}, "string": {0xa2, 'x', 'y'}, "empty string": {0xa0}, "float": {0xca, 1, 2, 3, 4},
		"nest": {0x91, 0x91, 0x91, 0x90}, "bin": {0xc4, 1, 1}, "vec": {0x93, 0xca, 0, 0, 0, 0, 0xca, 0, 0, 0, 0, 0xca, 0, 0, 0, 0},
		"big key": {0x81, 0xcf, 0xff, 0, 0, 0, 0, 0, 0, 1, 0xc0},
	} {
		for _, n := range []int{9, 1793, 9000} {
			if raced && n == 9000 {
				continue
			}
			list := binary.BigEndian.AppendUint32([]byte{0xdd}, uint32(n))
			for range n {
				list = append(list, unit...)
			}
			for _, wrap := range [][]byte{nil, {0x91}, {0x81, 0xa1, 'a'}, {0x92, 0x00}, {0x81, 0xa1, 'l'}, {0x81, 0xa4, 'k', 'i', 'd', 's'}, {0x93, 0x00}} {
				if n == 9 || n == 1793 && wrap == nil {
					tryAll(t, append(append([]byte(nil), wrap...), list...), true)
				}
			}
			m := binary.BigEndian.AppendUint32([]byte{0xdf}, uint32(n))
			for i := range n {
				m = append(binary.BigEndian.AppendUint16(append(m, 0xcd), uint16(i)), unit...)
			}
			tryAll(t, m, true)
		}
	}
}

func TestNesting(t *testing.T) {
	for _, n := range []int{10, 63, 64, 65, 1000, 100_000} {
		for name, level := range map[string]string{"array": "\x91", "map": "\x81\xa0", "int map": "\x81\x01", "node": "\x94\x00", "array 32": "\xdd\x00\x00\x00\x01"} {
			b := []byte(strings.Repeat(level, n) + "\xc0")
			tryAll(t, b, true)
			if name == "node" {
				continue
			}
			var v any
			if _, err := (codec.Msgp{}).Decode(b, &v); (err == nil) != (n <= 64) {
				t.Errorf("%d levels of %s: %v", n, name, err)
			}
		}
	}
	deep := any(1)
	for i := range 65 {
		_, err := codec.Msgp{}.Append(nil, deep)
		if err != nil {
			t.Errorf("%d levels: %v", i, err)
		}
		deep = []any{deep}
	}
	if _, err := (codec.Msgp{}).Append(nil, deep); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("65 levels: %v", err)
	}
}

func TestCycles(t *testing.T) {
	n := &node{}
	n.Next = n
	var a any
	a = &a
	m := map[string]any{}
	m["m"] = m
	l := []any{nil}
	l[0] = l
	s := selves{nil}
	s[0] = s
	for _, v := range []any{n, a, &a, m, l, s, map[string]any{"n": n}} {
		dst := []byte("before")
		out, err := codec.Msgp{}.Append(dst, v)
		if !errors.Is(err, core.ErrUnsupported) || string(out) != "before" || len(err.Error()) > 4096 {
			t.Errorf("%T: %q, %v", v, out, err)
		}
	}
}

type selves []selves

func TestMessagesSayWhere(t *testing.T) {
	type cell struct{ N int8 }
	type row struct {
		Cells map[string][]cell
	}
	b := must(codec.Msgp{}.Append(nil, struct{ C map[string][]struct{ N int } }{map[string][]struct{ N int }{"k": {{1}, {300}}}}))
	var r row
	_, err := codec.Msgp{}.Decode(b, &r)
	if want := `codec: codec_test.row.Cells["k"][1].N: want int8, found an integer that does not fit, or is cut short`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for i, x := range []struct {
		v    any
		b    string
		want string
	}{
		{new(int), "", "codec: int: want int, but the bytes end"},
		{new(string), "\x01", "codec: string: want string, found an integer"},
		{new(inner), "\x93\x01\x02\x03", "codec: codec_test.inner: want the 2 fields of codec_test.inner, found 3"},
		{new(inner), "\xc0", "codec: codec_test.inner: want codec_test.inner as an array, found nil"},
		{new([2]int), "\x91\x01", "want the 2 elements of [2]int, found 1"},
		{new([2]byte), "\xc4\x01\x01", "want the 2 bytes of [2]uint8, found 1"},
		{new(map[string]int), "\x82\xa1a\x01\xa1a\x02", `codec: map[string]int["a"]: the key comes twice`},
		{new(map[int]int), "\x82\x07\x01\x07\x02", `codec: map[int]int[7]: the key comes twice`},
		{new(any), "\x82\xa1a\x01\xa1a\x02", `["a"]: the key comes twice`},
		{new(any), "\x82\x07\x01\xcc\x07\x02", `[7]: the key comes twice`},
		{new(any), "\x82\x07\x01\xa1a\x02", `want an integer as key`},
		{new(any), "\x82\xa1a\x01\x07\x02", `want string`},
		{new(any), "\xd4\x33\x00", `want a time, found an extension`},
		{new(any), "\xd7\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", `want a value, found an extension`},
		{new(any), "\xc1", `0xc1`},
		{new([]int), "\xdd\x00\x00\x01\x00\x01", "256 elements are announced, and 1 bytes follow"},
		{new(uint8), "\xff", "codec: uint8: want uint8"},
		{new(uint16), "\xce\x00\x01\x00\x00", "codec: uint16: want uint16"},
		{new(int64), "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "codec: int64: want int64"},
		{new(bool), "\x01", "want bool"},
		{new(float32), "\xcb\x00\x00\x00\x00\x00\x00\x00\x00", "want float32"},
		{new(float64), "\x01", "want float64"},
		{new(time.Time), "\xd6\x05\x00\x00\x00\x00", "want a time"},
		{new([]byte), "\xa1a", "as bin"},
		{new(genInput), "\x91\x01", "UnmarshalMsg method failed"},
	} {
		_, err := codec.Msgp{}.Decode([]byte(x.b), x.v)
		if err == nil || !strings.Contains(err.Error(), x.want) || !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%d: got  %v\nwant %s", i, err, x.want)
		}
	}
}

func sampleSnapshot(players int) *genSnapshot {
	s := &genSnapshot{Tick: 1 << 40, Grid: [][]int16{{1, 2}, {}, {300}}}
	for i := range players {
		s.Players = append(s.Players, genPlayer{ID: uint32(i), Name: fmt.Sprint("player ", i), Pos: genVec{1, 2, float32(i)},
			HP: 100, Tags: []string{"a", "red"}, Blob: []byte{1, 2, 3}, Seen: time.Unix(1700000000, 0).UTC(), Where: &genVec{X: 1}})
	}
	return s
}

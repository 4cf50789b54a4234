package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/core"
)

func TestPrimitives(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		u := r.Uint64() >> r.IntN(64)
		i := int64(r.Uint64()) >> r.IntN(64)
		f := []float64{0, 1, -0.5, 0.1, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64,
			math.Copysign(0, -1), r.NormFloat64(), float64(float32(r.NormFloat64()))}[r.IntN(11)]
		blob := make([]byte, r.IntN(300))
		b := AppendUvarint(nil, u)
		if !bytes.Equal(b, binary.AppendUvarint(nil, u)) {
			t.Fatalf("%d as %x", u, b)
		}
		b = AppendFloat(AppendVarint(b, i), f)
		b = append(AppendString(AppendBlob(b, blob), "text"), 7, 1, 2)
		rd := NewReader(b)
		if got := rd.Uvarint(); got != u {
			t.Fatalf("%d reads as %d", u, got)
		}
		if got := rd.Varint(); got != i {
			t.Fatalf("%d reads as %d", i, got)
		}
		if got := rd.Float(); got != f || math.Signbit(got) != math.Signbit(f) {
			t.Fatalf("%v reads as %v", f, got)
		}
		if got := rd.Blob(); !bytes.Equal(got, blob) || cap(got) != len(got) {
			t.Fatalf("%d bytes read as %d", len(blob), len(got))
		}
		if got := rd.String(4); got != "text" {
			t.Fatalf("a string reads as %q", got)
		}
		if got := rd.Byte(); got != 7 || rd.Len() != 2 {
			t.Fatalf("a byte reads as %d, %d left", got, rd.Len())
		}
		if got := rd.Rest(); !bytes.Equal(got, []byte{1, 2}) || rd.End() != nil {
			t.Fatalf("rest %v, %v", got, rd.Err())
		}
	}
	rd := NewReader(AppendFloat(nil, math.NaN()))
	if got := rd.Float(); got == got || rd.End() != nil {
		t.Errorf("NaN reads as %v", got)
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		read func(r *Reader)
	}{
		"byte":            {nil, func(r *Reader) { r.Byte() }},
		"uvarint, none":   {nil, func(r *Reader) { r.Uvarint() }},
		"uvarint, cut":    {[]byte{0x80}, func(r *Reader) { r.Uvarint() }},
		"uvarint, cut 2":  {[]byte{0x80, 0x80}, func(r *Reader) { r.Uvarint() }},
		"uvarint, long":   {bytes.Repeat([]byte{0xff}, 11), func(r *Reader) { r.Uvarint() }},
		"uint, too large": {[]byte{6}, func(r *Reader) { r.Uint(5) }},
		"varint":          {[]byte{0xff}, func(r *Reader) { r.Varint() }},
		"bytes":           {[]byte{1, 2}, func(r *Reader) { r.Bytes(3) }},
		"bytes, huge":     {[]byte{1, 2}, func(r *Reader) { r.Bytes(math.MaxUint64) }},
		"blob":            {[]byte{3, 1, 2}, func(r *Reader) { r.Blob() }},
		"string, long":    {[]byte{3, 1, 2, 3}, func(r *Reader) { _ = r.String(2) }},
		"float, kind":     {[]byte{5, 1, 2, 3, 4, 5}, func(r *Reader) { r.Float() }},
		"float, cut":      {[]byte{8, 1, 2, 3, 4}, func(r *Reader) { r.Float() }},
		"left over":       {[]byte{1}, func(r *Reader) { r.End() }},
	} {
		r := NewReader(c.b)
		c.read(&r)
		first := r.Err()
		if !errors.Is(first, core.ErrMalformed) || r.Len() != 0 {
			t.Errorf("%s: %v, %d left", name, first, r.Len())
		}
		if r.Byte() != 0 || r.Uvarint() != 0 || r.Varint() != 0 || r.Float() != 0 || r.Blob() != nil || r.String(9) != "" || len(r.Rest()) != 0 {
			t.Errorf("%s: something is read after an error", name)
		}
		if r.End() != first {
			t.Errorf("%s: the first error is forgotten", name)
		}
	}
}

// FuzzReader: any reads of any bytes end, within the bytes.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7}, AppendString(AppendFloat(AppendVarint([]byte{9}, -300), 0.1), "text"))
	f.Add([]byte{1, 1, 1}, bytes.Repeat([]byte{0x80}, 30))
	f.Add([]byte{4, 5}, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2})
	f.Fuzz(func(t *testing.T, ops, b []byte) {
		r := NewReader(b)
		for _, op := range ops {
			left := r.Len()
			var got []byte
			switch op % 8 {
			case 0:
				r.Byte()
			case 1:
				u := r.Uvarint()
				if want, n := binary.Uvarint(b[len(b)-left:]); r.Err() == nil && (n != left-r.Len() || u != want) {
					t.Fatalf("%d reads as %d", want, u)
				}
			case 2:
				if r.Uint(100) > 100 {
					t.Fatal("too large")
				}
			case 3:
				r.Varint()
			case 4:
				got = r.Bytes(uint64(op))
			case 5:
				got = r.Blob()
			case 6:
				got = []byte(r.String(10))
			case 7:
				r.Float()
			}
			if r.Len() > left || len(got) > left || r.Err() != nil && r.Len() > 0 {
				t.Fatalf("%d bytes left of %d, %d read", r.Len(), left, len(got))
			}
		}
	})
}

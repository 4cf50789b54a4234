package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// body is a frame of any kind: what it is, and how it is written and read.
type body struct {
	name  string
	value any
	write func([]byte) []byte
	read  func(*Reader) any
}

// bodies returns bodies of every form, small and as long as may be.
func bodies() []body {
	hello := func(h Hello) body {
		return body{"hello", h, h.Append, func(r *Reader) any { return ReadHello(r) }}
	}
	welcome := func(w Welcome) body {
		return body{"welcome", w, w.Append, func(r *Reader) any { return ReadWelcome(r) }}
	}
	refuse := func(f Refuse) body {
		return body{"refuse", f, f.Append, func(r *Reader) any { return ReadRefuse(r) }}
	}
	player := func(p Player) body {
		return body{"player", p, func(b []byte) []byte { return AppendPlayer(b, p) }, func(r *Reader) any { return ReadPlayer(r) }}
	}
	call := func(c Call) body {
		return body{"call", c, c.Append, func(r *Reader) any { return ReadCall(r) }}
	}
	event := func(e Event) body {
		return body{"event", e, e.Append, func(r *Reader) any { return ReadEvent(r) }}
	}
	boolean := func(v bool) body {
		return body{"bool", v, func(b []byte) []byte { return AppendBool(b, v) }, func(r *Reader) any { return r.Bool() }}
	}
	long := strings.Repeat("n", MaxName)
	return []body{
		hello(Hello{Version: Version, Info: []byte{}}),
		hello(Hello{Version: Version, Codec: "msgp/1", Schema: "0123456789abcdef", Room: "main", Info: []byte("Ann")}),
		hello(Hello{Version: Version, Codec: long, Schema: long, Room: long, Info: make([]byte, maxInfo)}),
		welcome(Welcome{Player: 1, Tick: 1, Update: 1}),
		welcome(Welcome{Player: 1<<32 - 1, Room: long, Tick: time.Hour, Update: time.Hour, Started: true, Seats: maxSeats}),
		refuse(Refuse{}),
		refuse(Refuse{Code: 1<<16 - 1, Reason: strings.Repeat("r", maxReason), Schema: strings.Repeat("s", maxSchema)}),
		player(Player{ID: 1, Info: []byte{}}),
		player(Player{ID: 1<<32 - 1, Status: 2, Ready: true, Info: make([]byte, maxInfo)}),
		call(Call{Args: []byte{}}),
		call(Call{Number: maxNumber, Object: 1<<32 - 1, Tick: 1<<64 - 1, Args: []byte("arguments")}),
		event(Event{Value: []byte{}}),
		event(Event{Tick: 1<<64 - 1, Name: long, Value: []byte("value")}),
		boolean(false), boolean(true),
	}
}

func TestBodies(t *testing.T) {
	for _, b := range bodies() {
		msg := b.write([]byte("front"))
		if !bytes.HasPrefix(msg, []byte("front")) {
			t.Fatalf("%s: what was in front is gone", b.name)
		}
		msg = msg[len("front"):]
		r := NewReader(msg)
		if got := b.read(&r); r.End() != nil || !reflect.DeepEqual(got, b.value) {
			t.Errorf("%s: %.80v became %.80v, %v", b.name, b.value, got, r.Err())
		}
	}
}

// TestBodiesCut holds that a body that is cut short is never taken for another: but
// what is last in a call or an event may have any length.
func TestBodiesCut(t *testing.T) {
	for _, b := range bodies() {
		msg := b.write(nil)
		open := 0
		switch v := b.value.(type) {
		case Call:
			open = len(v.Args)
		case Event:
			open = len(v.Value)
		}
		for n := range len(msg) - open {
			if n > 300 && n < len(msg)-300 {
				continue
			}
			r := NewReader(msg[:n])
			if b.read(&r); !errors.Is(r.Err(), core.ErrMalformed) {
				t.Errorf("%s: %d of %d bytes were read: %v", b.name, n, len(msg), r.Err())
			}
		}
	}
}

// TestBodiesRefused holds what cannot be said.
func TestBodiesRefused(t *testing.T) {
	long := strings.Repeat("n", MaxName+1)
	for _, c := range []struct {
		name string
		body []byte
		read func(*Reader)
	}{
		{"a hello of something else", []byte("GET / HTTP/1.1\r\n"), func(r *Reader) { ReadHello(r) }},
		{"a hello with a long codec", (&Hello{Version: Version, Codec: long}).Append(nil), func(r *Reader) { ReadHello(r) }},
		{"a hello with a long room", (&Hello{Version: Version, Room: long}).Append(nil), func(r *Reader) { ReadHello(r) }},
		{"a hello with a long info", (&Hello{Version: Version, Info: make([]byte, maxInfo+1)}).Append(nil), func(r *Reader) { ReadHello(r) }},
		{"a hello with bytes left over", append((&Hello{Version: Version}).Append(nil), 0), func(r *Reader) { ReadHello(r) }},
		{"a welcome without a player", (&Welcome{Tick: 1, Update: 1}).Append(nil), func(r *Reader) { ReadWelcome(r) }},
		{"a welcome without ticks", (&Welcome{Player: 1, Update: 1}).Append(nil), func(r *Reader) { ReadWelcome(r) }},
		{"a welcome without updates", (&Welcome{Player: 1, Tick: 1}).Append(nil), func(r *Reader) { ReadWelcome(r) }},
		{"a welcome with ticks too rare", (&Welcome{Player: 1, Tick: time.Hour + 1, Update: 1}).Append(nil), func(r *Reader) { ReadWelcome(r) }},
		{"a welcome with bytes left over", append((&Welcome{Player: 1, Tick: 1, Update: 1}).Append(nil), 0), func(r *Reader) { ReadWelcome(r) }},
		{"a refusal with a code too high", []byte{0x80, 0x80, 4, 0, 0}, func(r *Reader) { ReadRefuse(r) }},
		{"a refusal with bytes left over", append((&Refuse{}).Append(nil), 0), func(r *Reader) { ReadRefuse(r) }},
		{"a player without an id", AppendPlayer(nil, Player{}), func(r *Reader) { ReadPlayer(r) }},
		{"a player of unknown status", AppendPlayer(nil, Player{ID: 1, Status: 3}), func(r *Reader) { ReadPlayer(r) }},
		{"a player with a long info", AppendPlayer(nil, Player{ID: 1, Info: make([]byte, maxInfo+1)}), func(r *Reader) { ReadPlayer(r) }},
		{"a call with a number too high", (&Call{Number: maxNumber + 1}).Append(nil), func(r *Reader) { ReadCall(r) }},
		{"a call on an object too high", []byte{1, 0x80, 0x80, 0x80, 0x80, 0x10, 0}, func(r *Reader) { ReadCall(r) }},
		{"an event with a long name", (&Event{Name: long}).Append(nil), func(r *Reader) { ReadEvent(r) }},
		{"a bool of two", []byte{2}, func(r *Reader) { r.Bool() }},
	} {
		r := NewReader(c.body)
		if c.read(&r); !errors.Is(r.Err(), core.ErrMalformed) {
			t.Errorf("%s: the error is %v", c.name, r.Err())
		}
	}
}

// TestHelloVersion holds what peers of all versions agree on: how a hello begins.
func TestHelloVersion(t *testing.T) {
	if got, want := (&Hello{Version: 1, Codec: "c", Schema: "s", Room: "r", Info: []byte("i")}).Append(nil), []byte("parley\x01\x01c\x01s\x01r\x01i"); !bytes.Equal(got, want) {
		t.Errorf("a hello is %q, want %q", got, want)
	}
	for _, version := range []uint64{0, Version + 1, 1 << 60} {
		r := NewReader(append(AppendUvarint([]byte(magic), version), "whatever that version says"...))
		if h := ReadHello(&r); r.Err() != nil || !reflect.DeepEqual(h, Hello{Version: version}) {
			t.Errorf("version %d became %+v, %v", version, h, r.Err())
		}
	}
}

// TestRefuseCut holds that a refusal can always be sent.
func TestRefuseCut(t *testing.T) {
	f := Refuse{Reason: strings.Repeat("r", maxReason-1) + "é and more", Schema: strings.Repeat("s", maxSchema+1)}
	r := NewReader(f.Append(nil))
	got := ReadRefuse(&r)
	if want := f.Reason[:maxReason-1]; r.Err() != nil || got.Reason != want || got.Schema != "" {
		t.Errorf("the reason has %d bytes, the schema %d, %v", len(got.Reason), len(got.Schema), r.Err())
	}
}

func TestKinds(t *testing.T) {
	unreliable := map[Kind]bool{KindState: true, KindInput: true, KindFastCall: true}
	names := make(map[string]bool)
	for k := KindHello; k < kindEnd; k++ {
		if k.IsReliable() == unreliable[k] {
			t.Errorf("%v is reliable: %v", k, k.IsReliable())
		}
		if names[k.String()] || k.String() == "" || strings.HasPrefix(k.String(), "kind") {
			t.Errorf("kind %d is called %q", byte(k), k)
		}
		names[k.String()] = true
	}
	for _, k := range []Kind{0, kindEnd, 255} {
		if k.IsReliable() || !strings.HasPrefix(k.String(), "kind ") {
			t.Errorf("kind %d is called %q and is reliable: %v", byte(k), k, k.IsReliable())
		}
	}
}

// FuzzFrames reads every body from arbitrary bytes: no panic, no error but
// ErrMalformed, nothing out of its bounds, and what was read reads the same again.
func FuzzFrames(f *testing.F) {
	kinds := make(map[string]byte)
	var reads []body
	for _, b := range bodies() {
		k, seen := kinds[b.name]
		if !seen {
			k = byte(len(reads))
			kinds[b.name] = k
			reads = append(reads, b)
		}
		msg := b.write(nil)
		if len(msg) < 5000 {
			f.Add(k, msg)
			f.Add(k, msg[:len(msg)/2])
			f.Add(k, append(msg, 0xff))
		}
	}
	f.Add(kinds["hello"], []byte("parley\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add(kinds["player"], []byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, k byte, msg []byte) {
		b := reads[int(k)%len(reads)]
		r := NewReader(msg)
		got := b.read(&r)
		if err := r.Err(); err != nil {
			if !errors.Is(err, core.ErrMalformed) {
				t.Errorf("%s: the error is %v", b.name, err)
			}
			return
		}
		var again []byte
		switch v := got.(type) {
		case Hello:
			if v.Version != Version {
				return // nothing else of it was read
			}
			again = v.Append(nil)
		case Welcome:
			again = v.Append(nil)
		case Refuse:
			again = v.Append(nil)
		case Player:
			again = AppendPlayer(nil, v)
		case Call:
			again = v.Append(nil)
		case Event:
			again = v.Append(nil)
		case bool:
			again = AppendBool(nil, v)
		}
		if len(again) > len(msg) {
			t.Errorf("%s: %d bytes became %d", b.name, len(msg), len(again))
		}
		r = NewReader(again)
		if second := b.read(&r); r.Err() != nil || !reflect.DeepEqual(second, got) {
			t.Errorf("%s: %+v became %+v, %v", b.name, got, second, r.Err())
		}
	})
}

package link

import (
	"errors"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

func TestFrames(t *testing.T) {
	var a, b Frames
	for range 300 {
		for range 2 {
			r := wire.NewReader(a.AppendHeader(nil))
			b.ReadHeader(&r)
			if err := r.End(); err != nil {
				t.Fatal(err)
			}
		}
		r := wire.NewReader(b.AppendHeader(nil))
		a.ReadHeader(&r)
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
	}
	if a.sent != 600 || a.acked != 600 || b.received != 600 || a.received != 300 {
		t.Errorf("after 600 and 300 frames: %+v, %+v", a, b)
	}
}

// TestFramesUnsent holds that a frame that was not sent leaves no gap.
func TestFramesUnsent(t *testing.T) {
	var a, b Frames
	a.AppendHeader(nil)
	a.Unsent()
	r := wire.NewReader(a.AppendHeader(nil))
	if b.ReadHeader(&r); r.Err() != nil {
		t.Error(r.Err())
	}
}

func TestFramesOutOfSequence(t *testing.T) {
	for _, c := range []struct {
		name       string
		seq, acked uint64
		legal      bool
	}{
		{"the next", 6, 3, true},
		{"the next, acknowledging all", 6, 4, true},
		{"the next, acknowledging nothing new", 6, 2, true},
		{"the one before", 5, 3, false},
		{"one left out", 7, 3, false},
		{"none", 0, 3, false},
		{"far off", 1<<64 - 1, 3, false},
		{"acknowledging what was never sent", 6, 5, false},
		{"taking an acknowledgement back", 6, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Frames{sent: 4, acked: 2, received: 5}
			before := f
			r := wire.NewReader(wire.AppendUvarint(wire.AppendUvarint(nil, c.seq), c.acked))
			f.ReadHeader(&r)
			switch err := r.Err(); {
			case c.legal && (err != nil || f != Frames{sent: 4, acked: c.acked, received: 6}):
				t.Errorf("it became %+v, %v", f, err)
			case !c.legal && (!errors.Is(err, core.ErrMalformed) || f != before):
				t.Errorf("it became %+v, %v", f, err)
			}
		})
	}
	for _, cut := range [][]byte{nil, {6}, {0x80}, {6, 0x80}} {
		f := Frames{sent: 4, acked: 2, received: 5}
		before := f
		r := wire.NewReader(cut)
		if f.ReadHeader(&r); !errors.Is(r.Err(), core.ErrMalformed) || f != before {
			t.Errorf("of %v it became %+v, %v", cut, f, r.Err())
		}
	}
}

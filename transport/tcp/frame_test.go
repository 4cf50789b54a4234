package tcp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/core"
)

// The format is for ever: other implementations speak it.
func TestGoldenFrames(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want string
	}{
		{"message", string(append(appendHeader(nil, kindMessage, 2), "hi"...)), "\x00\x00\x00\x02hi"},
		{"largest message", string(appendHeader(nil, kindMessage, MaxReliable)), "\x00\x04\x00\x00"},
		{"close", string(appendClose(nil, core.CodeApp+1, "out")), "\x40\x00\x00\x05\x03\xe9out"},
		{"keepalive", string(appendHeader(nil, kindKeepalive, 0)), "\x80\x00\x00\x00"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %x, want %x", tt.name, tt.got, tt.want)
		}
	}
}

// plainly reads frames in the most simple way: what the reader must agree with.
func plainly(b []byte) (msgs []string, bye *core.CloseError, err error) {
	for len(b) >= headerSize {
		kind, size, err := header(b)
		if err != nil {
			return msgs, nil, err
		}
		if len(b) < headerSize+size {
			break
		}
		payload := b[headerSize : headerSize+size]
		switch kind {
		case kindMessage:
			msgs = append(msgs, string(payload))
		case kindClose:
			return msgs, parseClose(payload), nil
		}
		b = b[headerSize+size:]
	}
	return msgs, nil, io.EOF
}

// pieces delivers bytes in the pieces that a seed chooses.
type pieces struct {
	rest []byte
	rnd  *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:1+p.rnd.IntN(len(b))], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// FuzzReader reads any bytes, in any pieces, for a Recv that comes at any time.
func FuzzReader(f *testing.F) {
	message := func(s string) []byte { return append(appendHeader(nil, kindMessage, len(s)), s...) }
	f.Add([]byte{}, uint64(0))
	f.Add(message(""), uint64(1))
	f.Add(append(message("one"), message("two")...), uint64(2))
	f.Add(append(appendHeader(nil, kindKeepalive, 0), message("three")...), uint64(3))
	f.Add(append(message("four"), appendClose(nil, core.CodeKicked, "out")...), uint64(4))
	f.Add(appendHeader(nil, kindMessage, MaxReliable), uint64(5))
	f.Add(raw(kindMessage, MaxReliable+1), uint64(6))
	f.Add(raw(kindClose, 1), uint64(7))
	f.Add(raw(3, 0), uint64(8))
	f.Add(message("cut")[:6], uint64(9))
	f.Add(bytes.Repeat(message("many"), 300), uint64(10))
	f.Add(message(string(make([]byte, 5000))), uint64(11))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		msgs, bye, failed := plainly(b)
		stream := &pieces{rest: b, rnd: rand.New(rand.NewPCG(seed, 0))}
		d := newDeframer()
		var in inbox
		var cur block
		recv := func() bool {
			msg, ok := cur.next()
			for !ok && in.next(&cur) {
				msg, ok = cur.next()
			}
			if !ok {
				return false
			}
			if len(msgs) == 0 || string(msg) != msgs[0] {
				t.Fatalf("a message of %d bytes came, %d are expected", len(msg), len(msgs))
			}
			msgs = msgs[1:]
			clear(msg) // it is the caller's
			return true
		}
		for {
			s, err := d.read(stream)
			if len(d.buf) > max(2*len(b), largeBlock) {
				t.Fatalf("a buffer of %d bytes for %d bytes", len(d.buf), len(b))
			}
			if s.messages == 0 {
				d.skip(s.end)
			} else {
				in.add(d, s.end)
			}
			for (in.full() || stream.rnd.IntN(2) == 0) && recv() {
			}
			if s.bye == nil && s.err == nil && err == nil {
				continue
			}
			for recv() {
			}
			if len(msgs) != 0 {
				t.Fatalf("%d messages did not come", len(msgs))
			}
			if (bye == nil) != (s.bye == nil) || bye != nil && *bye != *s.bye {
				t.Fatalf("goodbye %v, want %v", s.bye, bye)
			}
			if bye == nil && errors.Is(failed, core.ErrMalformed) != errors.Is(s.err, core.ErrMalformed) {
				t.Fatalf("error %v, want %v", s.err, failed)
			}
			return
		}
	})
}

func TestQueue(t *testing.T) {
	var q queue
	var want [][]byte
	rnd := rand.New(rand.NewPCG(1, 2))
	for step := range 20_000 {
		if rnd.IntN(2) == 0 || q.frames == 0 {
			msg := bytes.Repeat([]byte{byte(step)}, rnd.IntN(300))
			q.push(msg)
			want = append(want, msg)
		} else {
			size := q.first()
			got := q.take(make([]byte, 0, size), size)
			q.frames--
			if !bytes.Equal(got[headerSize:], want[0]) {
				t.Fatalf("step %d: got %d bytes, want %d", step, len(got), len(want[0]))
			}
			want = want[1:]
		}
		if q.frames != len(want) {
			t.Fatalf("step %d: %d frames, want %d", step, q.frames, len(want))
		}
	}
	q.push(make([]byte, 2*keptRing))
	q.cut(0)
	if len(q.ring) < 2*keptRing {
		t.Error("a ring is let go after its first use")
	}
	for range keptTimes + 1 {
		q.push(nil)
		q.drop(headerSize)
		q.frames--
	}
	if q.ring != nil || q.n != 0 || q.frames != 0 {
		t.Errorf("an empty queue holds %d bytes of memory", len(q.ring))
	}
	for range 1000 { // up to the bound, the ring is no larger than that
		if q.n+1000+headerSize > queueSize {
			break
		}
		q.push(make([]byte, 1000))
	}
	if len(q.ring) > queueSize {
		t.Errorf("%d bytes lie in %d", q.n, len(q.ring))
	}
}

// Whatever the sizes are, both deliveries leave while both queues are full.
func TestNeitherDeliveryStarves(t *testing.T) {
	for _, reliable := range []int{0, 1, 1000, 8191, 8192, batchSize - headerSize, batchSize, 24 << 10, 2*batchSize - headerSize, MaxReliable} {
		for _, unreliable := range []int{0, 1000, MaxUnreliable} {
			var o outbox
			stream := []byte{}
			for range 20 {
				for o.reliable.n < 3*batchSize && o.pushReliable(bytes.Repeat([]byte{'r'}, reliable)) {
				}
				for o.unreliable.frames < 10 && o.unreliable.n < unreliableSize/2 {
					o.pushUnreliable(bytes.Repeat([]byte{'u'}, unreliable))
				}
				b := o.fill(make([]byte, 0, batchSize))
				if len(b) == 0 || len(b) > batchSize {
					t.Fatalf("a batch has %d bytes", len(b))
				}
				stream = append(stream, b...)
			}
			if reliable == unreliable {
				continue // nobody can tell them apart
			}
			var gap, longest, other int
			for len(stream) >= headerSize {
				size := frameSize(stream)
				if size-headerSize == unreliable {
					gap = 0
				} else {
					gap += size
					other++
				}
				longest = max(longest, gap)
				stream = stream[min(size, len(stream)):]
			}
			if longest > MaxReliable+2*batchSize || other == 0 {
				t.Errorf("sizes %d and %d: %d bytes of Reliable messages in a row, %d messages in all", reliable, unreliable, longest, other)
			}
			if reliable <= batchSize && longest > 3*batchSize {
				t.Errorf("sizes %d and %d: %d bytes of Reliable messages in a row", reliable, unreliable, longest)
			}
		}
	}
}

package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

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

// script is a stream that delivers bytes in the pieces that a seed chooses.
type script struct {
	net.Conn // panics where it is used
	rest     []byte
	rnd      *rand.Rand
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1+s.rnd.IntN(len(p))], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "script", Net: "sim"} }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// plainly reads frames in the most simple way: what the reader must agree with.
func plainly(b []byte) (msgs []string, code core.Code, remote bool) {
	for {
		if len(b) < headerSize {
			return msgs, core.CodeInternal, true
		}
		kind, size, err := header(b)
		if err != nil {
			return msgs, core.CodeProtocol, false
		}
		if len(b) < headerSize+size {
			return msgs, core.CodeInternal, true
		}
		payload := b[headerSize : headerSize+size]
		switch kind {
		case kindMessage:
			msgs = append(msgs, string(payload))
		case kindClose:
			return msgs, core.Code(payload[0])<<8 | core.Code(payload[1]), true
		}
		b = b[headerSize+size:]
	}
}

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
	f.Add(bytes.Repeat(message("many"), 2000), uint64(10))
	f.Add(message(string(make([]byte, 100_000))), uint64(11))
	cfg := New(Config{}).cfg
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		msgs, code, remote := plainly(b)
		s := &script{rest: b, rnd: rand.New(rand.NewPCG(seed, 0))}
		c := newConn(s, s, &cfg, server)
		for i, want := range msgs {
			got, err := c.Recv(context.Background())
			if err != nil || string(got) != want {
				t.Fatalf("message %d of %d: %d bytes, %v; want %d bytes", i, len(msgs), len(got), err, len(want))
			}
		}
		_, err := c.Recv(context.Background())
		var ce *core.CloseError
		if !errors.As(err, &ce) || ce.Code != code || ce.Remote != remote {
			t.Fatalf("the end is %v; want %v, remote %v", err, code, remote)
		}
		<-c.gone
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

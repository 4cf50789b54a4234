package gate

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

// Every operation in every state: nothing but what is asked for happens.
func TestStatesAndOperations(t *testing.T) {
	for _, in := range []state{open, over, closing, ghost, gone} {
		for op := range byte(opClosed + 3) {
			for _, body := range []int{0, 1, 2, 7, 8, 9, 600} {
				for _, server := range []bool{true, false} {
					c, s := between(t)
					if server {
						c, s = s, c
					}
					k := c.link
					if in == closing {
						k.Close(core.CodeNormal, "", time.Second)
						c.out = nil
					}
					k.state = in
					p := s.control(op, make([]byte, body)...)
					if !k.packet(p, k.addr) {
						t.Fatal("refused")
					}
					want := 0
					if in != gone && (op == opPing || op == opChallenge && body >= challengeSize || op == opClose && body >= 2) {
						want = 1
					}
					if len(c.out) != want {
						t.Errorf("state %d, operation %d with %d bytes: %d packets were sent, want %d", in, op, body, len(c.out), want)
					}
					after := in
					switch {
					case op == opClose && body >= 2 && in == open:
						after = over
					case op == opClose && body >= 2 && in == closing, op == opClosed && in == closing:
						after = gone
					}
					if k.state != after || (c.ended != nil) != (after == over && in == open) || c.moved > 0 {
						t.Errorf("state %d, operation %d with %d bytes: now %d, ended %v", in, op, body, k.state, c.ended)
					}
					if k.packet(s.send("payload"), k.addr); (len(c.got) == 1) != (k.state == open) {
						t.Errorf("state %d: %d payloads were taken", k.state, len(c.got))
					}
				}
			}
		}
	}
}

// Who asks all the time is answered now and then.
func TestReplies(t *testing.T) {
	for name, op := range map[string]byte{"ping": opPing, "challenge": opChallenge, "close": opClose} {
		t.Run(name, func(t *testing.T) {
			c, s := between(t)
			for range 10_000 { // 10 seconds
				s.link.packet(c.control(op, make([]byte, challengeSize)...), clientAddr)
				s.pass(time.Millisecond)
			}
			if n, most := len(s.out), 10*repliesPerSecond+replyBurst; n > most+repliesPerSecond || n < most*9/10 {
				t.Errorf("10000 were answered by %d, want %d", n, most)
			}
		})
	}
	t.Run("from everywhere", func(t *testing.T) {
		c, s := between(t)
		for i := range 10_000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 1)
			s.link.packet(c.send("a packet of some bytes, from an address that was never seen"), from)
			s.pass(time.Millisecond)
		}
		if n, most := len(s.out), 10*challengesPerSecond+challengeBurst; n > most+challengesPerSecond || n < most*9/10 {
			t.Errorf("10000 were answered by %d challenges, want %d", n, most)
		}
	})
}

// A reason is text, whoever made it.
func TestReasonIsText(t *testing.T) {
	c, s := between(t)
	s.link.packet(c.control(opClose, append([]byte{5, 0}, bytes.Repeat([]byte{0xff, 'a'}, 300)...)...), clientAddr)
	if s.ended == nil || !utf8.ValidString(s.ended.Reason) || len(s.ended.Reason) > core.MaxReason {
		t.Errorf("ended with %v", s.ended)
	}
	if r, ok := parseRefusal([]byte{typeRefuse, 5, 0, 0xff, 'a'}); !ok || r.reason != "\uFFFDa" {
		t.Errorf("refused with %q", r.reason)
	}
	long := refusal{core.CodeFull, strings.Repeat("é", maxRefusal)}.bytes()
	if r, ok := parseRefusal(long); !ok || r.reason != strings.Repeat("é", maxRefusal/2) {
		t.Errorf("refused with %q", r.reason)
	}
	odd := refusal{core.CodeFull, "x" + strings.Repeat("é", maxRefusal)}.bytes()
	if r, ok := parseRefusal(odd); !ok || r.reason != "x"+strings.Repeat("é", (maxRefusal-1)/2) {
		t.Errorf("refused with %q", r.reason)
	}
}

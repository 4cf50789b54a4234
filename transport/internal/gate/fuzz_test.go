package gate

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// FuzzHello gives a Listener what a stranger sends, and if proven is set, what somebody
// sends who has a good cookie.
func FuzzHello(f *testing.F) {
	key := retry{keys: seeded(f, 1).Public()}
	shake, err := newClientShake(key.keys, [32]byte{}, prologue(KindUDP, &key), offer{idle: time.Second, token: []byte("t")})
	if err != nil {
		f.Fatal(err)
	}
	first := appendHello(nil, hello{kind: KindUDP, cid: 1})
	f.Add(first, false)
	f.Add(first[:MinDatagram-1], false)
	f.Add(appendHello(nil, hello{kind: KindKCP, cid: 1}), false)
	f.Add(appendHello(nil, hello{kind: KindUDP, cid: 1, noise: shake.message}), true)
	f.Add(appendHello(nil, hello{kind: KindUDP, cid: 2, noise: make([]byte, maxNoise)}), true)
	f.Add(append([]byte{flagSealed}, make([]byte, minForReset)...), false)
	f.Fuzz(func(t *testing.T, p []byte, proven bool) {
		var r register
		books := newLedger()
		l := listening(t, r.with, func(p []byte, to netip.AddrPort) { books.add(to, 0, len(p)) })
		share := 0.15
		if h, ok := parseHello(p); ok {
			if h.version == Version {
				again := appendHello(nil, h)
				if n := plainHeader + cookieSize + 2 + len(h.noise); !bytes.Equal(again[:n], p[:n]) {
					t.Fatalf("%x was read as %x", p[:n], again[:n])
				}
			}
			if proven {
				share = 1
				cookie := l.jar.make(clientAddr, h.cid, l.now())
				copy(p[plainHeader:], cookie[:])
			}
		}
		books.add(clientAddr, len(p), 0)
		l.take(p, clientAddr)
		l.mu.Lock()
		under := l.halves.open.Len()
		l.mu.Unlock()
		if under > 1 || under == 1 && !proven {
			t.Errorf("%d handshakes are kept", under)
		}
		l.Close()
		for deadline := time.Now().Add(10 * time.Second); left(l) != ""; time.Sleep(50 * time.Microsecond) {
			l.mu.Lock()
			l.halves.expire(time.Hour)
			l.mu.Unlock()
			if time.Now().After(deadline) {
				t.Fatalf("%s are left", left(l))
			}
		}
		if b := books.sum(); float64(b.out) > share*float64(b.in) {
			t.Errorf("%d bytes came and %d went", b.in, b.out)
		}
	})
}

// dialing returns a dial under way, and tells what it sends.
func dialing(t testing.TB, sent func(p []byte, to netip.AddrPort)) *dialer {
	t.Helper()
	w := newWire(sent)
	d := newDialer(ClientConfig{Kind: KindUDP, Idle: time.Second, Accept: func(l *Link) Handler { return newEnd(l) }},
		seeded(t, 1).Pin(), w, []netip.AddrPort{serverAddr})
	d.cid = 0x0102030405060708
	t.Cleanup(func() {
		d.sock.close()
		d.sock.wait()
	})
	return d
}

// FuzzRetry gives a client that has said hello what may be a retry, or a word about
// versions.
func FuzzRetry(f *testing.F) {
	r := retry{cid: 0x0102030405060708, keys: seeded(f, 1).Public()}
	f.Add(appendRetry(nil, KindUDP, &r))
	r.keys = seeded(f, 2).Public()
	f.Add(appendRetry(nil, KindUDP, &r))
	r.keys = identity.PublicKeys{}
	f.Add(appendRetry(nil, KindUDP, &r))
	f.Add(appendPlain(nil, typeVersion, KindKCP, r.cid))
	f.Add(appendPlain(nil, typeReset, KindUDP, r.cid))
	f.Fuzz(func(t *testing.T, p []byte) {
		sent := 0
		d := dialing(t, func(q []byte, to netip.AddrPort) {
			if sent++; to != serverAddr || len(q) != MinDatagram {
				t.Errorf("%d bytes to %v", len(q), to)
			}
		})
		if r, ok := parseRetry(p, KindUDP); ok && !bytes.Equal(appendRetry(nil, KindUDP, &r), p) {
			t.Fatalf("%x was read as %x", p, appendRetry(nil, KindUDP, &r))
		}
		for _, from := range []netip.AddrPort{otherAddr, serverAddr} {
			d.take(p, from)
		}
		for len(d.answers) > 0 {
			if link, err := d.answer(<-d.answers); link != nil || err != nil {
				t.Errorf("it ended the dial: %v, %v", link, err)
			}
		}
		for _, a := range d.attempts {
			if a.said.keys.Pin() != d.pin {
				t.Error("it believes keys that are not pinned")
			}
		}
		if sent != len(d.attempts) || sent > 1 {
			t.Errorf("%d packets were sent, and %d attempts begun", sent, len(d.attempts))
		}
	})
}

// FuzzAnswer gives a client what may be the second message of its handshake.
func FuzzAnswer(f *testing.F) {
	key := seeded(f, 1)
	r := retry{cid: 0x0102030405060708, keys: key.Public()}
	f.Add(appendAnswer(nil, typeWelcome, KindUDP, r.cid, make([]byte, 32+grantSize+16)), false, []byte{})
	f.Add(appendAnswer(nil, typeRefuse, KindUDP, r.cid, make([]byte, 48)), false, []byte{})
	f.Add([]byte{}, true, grant{cid: 1, idle: time.Second}.bytes())
	f.Add([]byte{}, true, refusal{core.CodeFull, "full"}.bytes())
	f.Add([]byte{}, true, grant{}.bytes()[:grantSize-1])
	// If right is set, the server has said payload, in a welcome and in a refusal.
	f.Fuzz(func(t *testing.T, p []byte, right bool, payload []byte) {
		d := dialing(t, func([]byte, netip.AddrPort) {})
		d.retry(r, serverAddr)
		if len(d.attempts) != 1 {
			t.Fatal("no attempt")
		}
		if !right {
			d.take(p, serverAddr)
			if len(d.answers) > 0 {
				if link, err := d.answer(<-d.answers); link != nil || err != nil {
					t.Fatalf("it ended the dial: %v, %v", link, err)
				}
			}
			return
		}
		for _, typ := range []byte{typeWelcome, typeRefuse} {
			s, _, err := newServerShake(key, prologue(KindUDP, &r), d.attempts[0].shake.message)
			if err != nil {
				t.Fatal(err)
			}
			msg, _, err := s.answer([32]byte{}, payload[:min(len(payload), 1000)])
			if err != nil {
				t.Fatal(err)
			}
			link, err := d.answer(answer{appendAnswer(nil, typ, KindUDP, r.cid, msg), serverAddr})
			_, grant := parseGrant(payload)
			_, refusal := parseRefusal(payload)
			if (link != nil) != (typ == typeWelcome && grant) || (err != nil) != (typ == typeRefuse && refusal) {
				t.Errorf("%q, said in %q: %v, %v", payload, typ, link, err)
			}
			if link != nil {
				link.Drop(core.CodeNormal, "")
			}
		}
	})
}

// FuzzSealed plays a script over two connections: packets are sent, lost, doubled,
// reordered, changed and given to whom they do not belong, time passes, ends close. No
// side takes what its peer did not send, or takes it twice.
func FuzzSealed(f *testing.F) {
	f.Add([]byte("\x00\x10\x20\x30\x01\x11\x21\x31"))
	f.Add([]byte{0, 0, 1, 1, 8, 0, 8, 1, 8, 0, 9, 3, 10, 2, 11, 1, 12, 5, 13, 0, 8, 2})
	f.Add(bytes.Repeat([]byte{0, 0, 8, 0, 12, 40}, 40))
	f.Add([]byte{0, 0, 0, 0, 8, 1, 8, 0, 5, 0, 8, 2, 6, 1, 8, 3, 13, 0, 14, 1, 15, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		script = script[:min(len(script), 2000)]
		c, s := between(t)
		c2, s2 := between(t)
		for i, e := range []*side{c2, s2} { // other keys and other ids
			k, err := newKey(bytes.Repeat([]byte{byte(8 + i)}, 32))
			if err != nil {
				t.Fatal(err)
			}
			e.link.out.key = k
			in, err := newOpener(bytes.Repeat([]byte{byte(9 - i)}, 32))
			if err != nil {
				t.Fatal(err)
			}
			e.link.in = in
		}
		sides := []*side{c, s, c2, s2}
		peer := map[*side]*side{c: s, s: c, c2: s2, s2: c2}
		addrs := []netip.AddrPort{clientAddr, serverAddr, otherAddr, netip.MustParseAddrPort("[2001:db8::1]:1")}
		for _, e := range sides {
			e.link.out.packets, e.link.out.rest = 3, rekeyRest
		}
		var pool [][]byte
		sent := make(map[*side]map[string]bool)
		for _, e := range sides {
			sent[e] = make(map[string]bool)
		}
		for at := 0; at+1 < len(script); at += 2 {
			op, arg := script[at], int(script[at+1])
			e := sides[arg%4]
			switch op % 16 {
			case 0, 1, 2: // send
				say := fmt.Sprintf("%d %d", arg%4, at)
				e.next = []byte(say)
				if e.link.Send(time.Now(), e) {
					sent[e][say] = true
				}
			case 3:
				e.link.mu.Lock()
				e.link.control(e.link.addr, byte(arg/4%8), script[:min(len(script), arg/32)], 0)
				e.link.mu.Unlock()
			case 4:
				e.link.Close(core.CodeNormal, "", time.Duration(arg/4)*50*time.Millisecond)
			case 5:
				if arg > 240 {
					e.link.Drop(core.CodeNormal, "")
				}
			case 6, 7: // time passes
				for _, e := range sides {
					e.pass(time.Duration(arg) * 40 * time.Millisecond)
					e.link.tick()
				}
			default: // deliver
				if len(pool) == 0 {
					break
				}
				p := bytes.Clone(pool[(arg*7+at)%len(pool)])
				if op%16 > 12 {
					i := (arg + at) % len(p)
					switch op % 4 {
					case 0:
						p[i] ^= 1 << (arg % 8)
					case 1:
						p = p[:i]
					case 2:
						p = append(p, p[i:]...)
					case 3:
						p[0] ^= flagPhase | flagControl
					}
				}
				had := len(e.out)
				e.link.packet(p, addrs[arg/4%len(addrs)])
				if len(e.out) > had+1+maxPaths {
					t.Fatalf("one packet was answered by %d", len(e.out)-had)
				}
			}
			for _, e := range sides {
				for _, o := range e.out {
					pool = append(pool, o.p)
				}
				e.out = nil
				for _, got := range e.got {
					if !sent[peer[e]][got] {
						t.Fatalf("took %q, which its peer did not send, or not so often", got)
					}
					delete(sent[peer[e]], got)
				}
				e.got = nil
				if e.ends > 2 || e.link.state == gone && e.ends == 0 {
					t.Fatalf("given back %d times", e.ends)
				}
			}
			if n := len(pool); n > 64 {
				pool = pool[n-64:]
			}
		}
	})
}

// FuzzControl lets somebody who has the keys say what he likes to a server, and a server
// to a client.
func FuzzControl(f *testing.F) {
	for op := range byte(opClosed + 2) {
		f.Add(append([]byte{op}, "12345678"...), uint8(1), true)
		f.Add([]byte{op}, uint8(0), false)
	}
	f.Add([]byte{}, uint8(2), true)
	f.Add(append([]byte{opClose, 0xe8, 3}, bytes.Repeat([]byte{0xff}, 900)...), uint8(1), false)
	f.Fuzz(func(t *testing.T, payload []byte, where uint8, server bool) {
		payload = payload[:min(len(payload), MaxDatagram-Overhead)]
		c, s := between(t)
		if !server {
			c, s = s, c
		}
		from := []netip.AddrPort{s.link.addr, otherAddr}[where%2]
		in, out := 0, 0
		for range 5 {
			c.link.mu.Lock()
			c.link.write(c.link.now(), c.link.addr, copy(c.link.scratch[sealedHeader:], payload), true)
			c.link.mu.Unlock()
			p := c.take()
			in += len(p)
			if !s.link.packet(p, from) {
				t.Fatal("refused")
			}
			for _, o := range s.out {
				if o.to == otherAddr {
					out += len(o.p)
				} else if len(o.p) > max(len(p), Overhead+1+challengeSize) {
					t.Errorf("%d bytes were answered by %d", len(p), len(o.p))
				}
			}
			if s.out = nil; out > in {
				t.Errorf("%d bytes came from an address without proof and %d went there", in, out)
			}
			s.pass(100 * time.Millisecond)
		}
		if s.moved > 0 || len(s.got) > 0 {
			t.Errorf("moved %d times, took %q", s.moved, s.got)
		}
		if said := s.ended != nil; said != (s.link.state == over) || said && (!s.ended.Remote || len(s.ended.Reason) > core.MaxReason) {
			t.Errorf("state %d, ended %v", s.link.state, s.ended)
		}
	})
}

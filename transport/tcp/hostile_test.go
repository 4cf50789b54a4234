package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// raw makes a header without asking whether it may exist.
func raw(kind, size uint32) []byte { return binary.BigEndian.AppendUint32(nil, kind<<kindShift|size) }

// What a peer must not send ends its connection with core.CodeProtocol, and nobody
// else's.
func TestForbiddenFrames(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	friend := dial(t, tr, l)
	friendly := accept(t, l)
	for name, junk := range map[string][]byte{
		"message one too large": raw(kindMessage, MaxReliable+1),
		"message of 1 GiB":      raw(kindMessage, lengthMask),
		"empty close":           raw(kindClose, 0),
		"half a code":           append(raw(kindClose, 1), 0),
		"long reason":           raw(kindClose, maxClose+1),
		"close of 1 GiB":        raw(kindClose, lengthMask),
		"keepalive with bytes":  append(raw(kindKeepalive, 1), 0),
		"unknown kind":          raw(3, 0),
		"all ones":              {255, 255, 255, 255},
	} {
		t.Run(name, func(t *testing.T) {
			c := rawClient(t, l)
			s := accept(t, l)
			if _, err := c.Write(append(append(raw(kindMessage, 2), "ok"...), junk...)); err != nil {
				t.Fatal(err)
			}
			if got := recv(t, s); got != "ok" {
				t.Errorf("%q came before the frame", got)
			}
			ce := closed(t, s)
			if ce.Code != core.CodeProtocol || ce.Remote || !errors.Is(ce, core.ErrMalformed) {
				t.Errorf("got %v; want core.CodeProtocol", ce)
			}
			told := make([]byte, headerSize+2)
			if _, err := io.ReadFull(c, told); err != nil || string(told) != string(appendClose(nil, core.CodeProtocol, "")) {
				t.Errorf("the peer is told %x, %v", told, err)
			}
			c.NetConn().Close()
			<-s.gone
			send(t, friend, core.Reliable, name)
			if got := recv(t, friendly); got != name {
				t.Errorf("another peer's message arrives as %q", got)
			}
		})
	}
}

// Bytes that break TLS after the handshake.
func TestGarbageAfterHandshake(t *testing.T) {
	for name, junk := range map[string][]byte{
		"text":           []byte("\r\nhello there, this is no record of TLS\r\n"),
		"forged record":  append([]byte{23, 3, 3, 0, 32}, make([]byte, 32)...),
		"endless record": {23, 3, 3, 255, 255},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			l := listen(t, New(Config{}))
			c := rawClient(t, l)
			s := accept(t, l)
			c.NetConn().Write(junk)
			if ce := closed(t, s); ce.Code != core.CodeProtocol || ce.Remote || !errors.Is(ce, core.ErrMalformed) {
				t.Errorf("got %v; want core.CodeProtocol", ce)
			}
			<-s.gone
		})
	}
}

// A peer that broke the protocol and goes on sending is not listened to for long.
func TestHostilePeerIsCut(t *testing.T) {
	clean(t)
	l := listen(t, New(Config{Linger: limit}))
	c := rawClient(t, l)
	s := accept(t, l)
	c.Write(raw(3, 0))
	junk := make([]byte, 64<<10)
	sent := 0
	for {
		n, err := c.Write(junk)
		sent += n
		if err != nil {
			break
		}
		if sent > 64<<20 {
			t.Fatal("the peer may send for ever")
		}
	}
	select {
	case <-s.gone:
	case <-time.After(limit / 2):
		t.Error("the connection lingers")
	}
}

// Frames that no counter of the game's sees must not be sent without end.
func TestKeepaliveFlood(t *testing.T) {
	clean(t)
	l := listen(t, New(Config{}))
	c := rawClient(t, l)
	s := accept(t, l)
	go func() {
		flood := bytes.Repeat(raw(kindKeepalive, 0), 1000)
		for {
			if _, err := c.Write(flood); err != nil {
				return
			}
		}
	}()
	if ce := closed(t, s); ce.Code != core.CodeFlood || ce.Remote {
		t.Errorf("got %v; want core.CodeFlood", ce)
	}
}

// Many peers announce as much as they may and send next to nothing.
func TestMemoryGrowsWithBytesReceived(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	const peers = 25
	var conns []*conn
	var before, after runtime.MemStats
	for range peers {
		rawClient(t, l).Write(append(raw(kindMessage, MaxReliable), 1, 2, 3))
		conns = append(conns, accept(t, l))
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range peers {
		rawClient(t, l).Write(append(raw(kindMessage, MaxReliable), 1, 2, 3))
		conns = append(conns, accept(t, l))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / peers
	t.Logf("%d bytes a connection, both ends", each)
	if each > MaxReliable {
		t.Errorf("a connection costs %d bytes after 7 bytes were received", each)
	}
	runtime.KeepAlive(conns)
}

// A frame that comes in the smallest pieces is a frame; so are many in one piece.
func TestPieces(t *testing.T) {
	clean(t)
	l := listen(t, New(Config{}))
	c := rawClient(t, l)
	s := accept(t, l)
	var all []byte
	for _, m := range []string{"", "a", "", "four", "the last one"} {
		all = append(append(all, raw(kindMessage, uint32(len(m)))...), m...)
		all = append(all, raw(kindKeepalive, 0)...)
	}
	for i := range all { // a TLS record for each byte
		c.Write(all[i : i+1])
	}
	c.Write(all)
	for range 2 {
		for _, m := range []string{"", "a", "", "four", "the last one"} {
			if got := recv(t, s); got != m {
				t.Fatalf("got %q, want %q", got, m)
			}
		}
	}
	// A goodbye with a reason that is no text; what follows it does not count.
	c.Write(append(append(raw(kindClose, 4), 0x03, 0xe8, 0xff, 'x'), raw(3, 9)...))
	if ce := closed(t, s); ce.Code != core.CodeApp || ce.Reason != "\uFFFDx" || !ce.Remote {
		t.Errorf("got %v", ce)
	}
	c.NetConn().(*net.TCPConn).CloseWrite()
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the server's stream ends with %v", err)
	}
}

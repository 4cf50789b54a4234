package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

func TestCloseTellsThePeer(t *testing.T) {
	a, b := pair(t, Config{})
	reason := strings.Repeat("ä", core.MaxReason)
	for range 100 {
		send(t, a, core.Reliable, "tail")
	}
	if err := a.Close(core.CodeKicked, reason); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 100 {
		if got := recv(t, b); got != "tail" {
			t.Fatalf("got %q", got)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, first := b.Recv(ctx)
	_, second := b.Recv(context.Background())
	var ce *core.CloseError
	if !errors.As(first, &ce) || first != second || ce.Code != core.CodeKicked || !ce.Remote || ce.Reason != core.CutReason(reason) {
		t.Errorf("the peer got %v, then %v", first, second)
	}
	if err := b.Send(core.Reliable, nil); err != first {
		t.Errorf("the peer's Send: %v; want the same error", err)
	}
	if ce := closed(t, a); ce.Code != core.CodeKicked || ce.Remote {
		t.Errorf("this side got %v", ce)
	}
	if err := a.Send(core.Unreliable, nil); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Send: %v; want core.ErrClosed", err)
	}
	a.Close(core.CodeFull, "again")
	b.Close(core.CodeFull, "again")
	if ce := closed(t, a); ce.Code != core.CodeKicked {
		t.Errorf("a second Close counts: %v", ce)
	}
	if a.MaxSize(core.Reliable) != MaxReliable || a.RemoteAddr() == nil {
		t.Error("MaxSize and RemoteAddr must answer after Close")
	}
}

// The tail must survive a peer that is sending at full speed: what is unread when a
// socket closes turns into a RST.
func TestCloseKeepsTheTail(t *testing.T) {
	for _, code := range []core.Code{core.CodeNormal, core.CodeTimeout, core.CodeProtocol} {
		t.Run(code.String(), func(t *testing.T) { closeKeepsTheTail(t, code) })
	}
}

func closeKeepsTheTail(t *testing.T, code core.Code) {
	a, b := pair(t, Config{Linger: limit})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for b.Send(core.Reliable, make([]byte, 10_000)) == nil || b.ended() == nil {
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	})
	big := make([]byte, MaxReliable)
	for range 3 {
		if err := a.Send(core.Reliable, big); err != nil {
			t.Fatal(err)
		}
	}
	wg.Go(func() { a.Close(code, "over") })
	for range 3 {
		if n := len(recv(t, b)); n != len(big) {
			t.Fatalf("%d bytes came", n)
		}
	}
	if ce := closed(t, b); ce.Code != code || !ce.Remote {
		t.Errorf("the peer got %v", ce)
	}
	close(stop)
	wg.Wait()
}

func TestCloseWaitsForTheLingerOnly(t *testing.T) {
	a, _ := pair(t, Config{Linger: 50 * time.Millisecond}) // nobody receives at the other end
	for a.Send(core.Reliable, make([]byte, MaxReliable)) == nil {
	}
	start := time.Now()
	a.Close(core.CodeNormal, "")
	if d := time.Since(start); d < 50*time.Millisecond || d > limit/2 {
		t.Errorf("Close took %v", d)
	}
}

func TestCloseAtOnce(t *testing.T) {
	for range 20 {
		t.Run("", closeAtOnce)
	}
}

func closeAtOnce(t *testing.T) {
	a, b := pair(t, Config{Linger: limit})
	send(t, a, core.Reliable, "a")
	send(t, b, core.Reliable, "b")
	var wg sync.WaitGroup
	start := time.Now()
	for i := range 16 {
		for _, c := range []*conn{a, b} {
			wg.Go(func() {
				if err := c.Close(core.CodeApp+core.Code(i), ""); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			wg.Go(func() { c.Send(core.Reliable, []byte("late")) })
		}
	}
	wg.Wait()
	if d := time.Since(start); d > limit/2 {
		t.Errorf("two peers that close at once wait %v for each other", d)
	}
	for _, c := range []*conn{a, b} {
		if ce := closed(t, c); ce.Code < core.CodeApp {
			t.Errorf("got %v", ce)
		}
	}
}

func TestCloseUnblocksRecv(t *testing.T) {
	a, b := pair(t, Config{})
	got := make(chan error, 1)
	go func() {
		_, err := b.Recv(context.Background())
		got <- err
	}()
	b.Close(core.CodeNormal, "mine")
	var ce *core.CloseError
	if err := <-got; !errors.As(err, &ce) || ce.Remote || ce.Reason != "mine" {
		t.Errorf("Recv: %v", err)
	}
	closed(t, a)
}

// What arrived before this side closed is still there to be received.
func TestRecvDrainsAfterClose(t *testing.T) {
	a, b := pair(t, Config{})
	send(t, a, core.Reliable, "one")
	send(t, a, core.Reliable, "two")
	if recv(t, b) != "one" {
		t.Fatal("the first message is missing")
	}
	for { // wait until the second one has arrived as well
		b.mu.Lock()
		here := b.in.n > 0 || b.cur.off < b.cur.end
		b.mu.Unlock()
		if here {
			break
		}
		runtime.Gosched()
	}
	b.Close(core.CodeNormal, "")
	if recv(t, b) != "two" {
		t.Error("the second message is missing")
	}
	closed(t, b)
}

func TestDropResets(t *testing.T) {
	a, b := pair(t, Config{})
	for a.Send(core.Reliable, make([]byte, 10_000)) == nil {
	}
	a.Drop(core.CodeFlood, "too much")
	if ce := closed(t, a); ce.Code != core.CodeFlood || ce.Remote || ce.Reason != "too much" {
		t.Errorf("this side got %v", ce)
	}
	<-a.gone
	if ce := closed(t, b); !ce.Remote || ce.Code != core.CodeLost || !errors.Is(ce, syscall.ECONNRESET) {
		t.Errorf("the peer got %v; want a reset", ce)
	}
	a.Close(core.CodeNormal, "")
}

// Drop cuts a Close short.
func TestDropDuringLinger(t *testing.T) {
	a, _ := pair(t, Config{Linger: limit})
	for a.Send(core.Reliable, make([]byte, 10_000)) == nil {
	}
	done := make(chan struct{})
	go func() {
		a.Close(core.CodeNormal, "")
		close(done)
	}()
	<-a.done
	a.Drop(core.CodeNormal, "")
	select {
	case <-done:
	case <-time.After(limit / 2):
		t.Error("Close lingers after Drop")
	}
}

// Streams that end otherwise than by a goodbye.
func TestAbruptEnds(t *testing.T) {
	half := append(appendHeader(nil, kindMessage, 100), "half"...)
	for _, tt := range []struct {
		name string
		do   func(c net.Conn, raw *net.TCPConn)
		want error
	}{
		{"FIN", func(c net.Conn, raw *net.TCPConn) { raw.CloseWrite() }, io.ErrUnexpectedEOF},
		{"FIN in a frame", func(c net.Conn, raw *net.TCPConn) { c.Write(half); raw.CloseWrite() }, io.ErrUnexpectedEOF},
		{"close_notify", func(c net.Conn, raw *net.TCPConn) { closeWrite(c) }, io.ErrUnexpectedEOF},
		{"close_notify in a frame", func(c net.Conn, raw *net.TCPConn) { c.Write(half); closeWrite(c) }, io.ErrUnexpectedEOF},
		{"RST", func(c net.Conn, raw *net.TCPConn) { raw.SetLinger(0); raw.Close() }, syscall.ECONNRESET},
		{"RST in a frame", func(c net.Conn, raw *net.TCPConn) { c.Write(half); raw.SetLinger(0); raw.Close() }, syscall.ECONNRESET},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			l := listen(t, New(Config{}))
			c := rawClient(t, l)
			s := accept(t, l)
			c.Write(append(appendHeader(nil, kindMessage, 5), "whole"...))
			if got := recv(t, s); got != "whole" {
				t.Fatalf("got %q", got)
			}
			tt.do(c, c.NetConn().(*net.TCPConn))
			if ce := closed(t, s); !ce.Remote || ce.Code != core.CodeLost || !errors.Is(ce, tt.want) {
				t.Errorf("got %v; want %v", ce, tt.want)
			}
			if err := s.Send(core.Reliable, nil); !errors.Is(err, core.ErrClosed) {
				t.Errorf("Send: %v; want core.ErrClosed", err)
			}
			<-s.gone // without Close
		})
	}
}

// failingPair is a pair whose client's writes fail after fail was called, and which
// returns when its writer has noticed.
func failingPair(t *testing.T, linger time.Duration) (client, server *conn, fail func()) {
	failing := make(chan struct{})
	client, server = pair(t, Config{Linger: linger, DialContext: wrapDial(func(c net.Conn) net.Conn {
		return &wrapped{Conn: c, write: func(p []byte) (int, error) {
			select {
			case <-failing:
				return 0, syscall.EPIPE
			default:
				return c.Write(p)
			}
		}}
	})})
	return client, server, func() {
		close(failing)
		send(t, client, core.Reliable, "lost")
		for {
			client.mu.Lock()
			broken := client.broken
			client.mu.Unlock()
			if broken != nil {
				return
			}
			runtime.Gosched()
		}
	}
}

// The reason of a peer that has gone counts more than the error of writing to it.
func TestReasonOutlivesWriteError(t *testing.T) {
	a, b, fail := failingPair(t, limit)
	fail()
	go b.Close(core.CodeStarted, "no room")
	if ce := closed(t, a); ce.Code != core.CodeStarted || !ce.Remote {
		t.Errorf("got %v; want the peer's goodbye", ce)
	}
}

// Without a reason, the error of writing ends the connection.
func TestWriteErrorEndsTheConnection(t *testing.T) {
	a, _, fail := failingPair(t, 20*time.Millisecond)
	fail()
	if ce := closed(t, a); ce.Code != core.CodeLost || !errors.Is(ce, syscall.EPIPE) {
		t.Errorf("got %v; want the error of the write", ce)
	}
}

func TestSilenceEndsTheConnection(t *testing.T) {
	clean(t)
	l := listen(t, New(Config{IdleTimeout: 100 * time.Millisecond}))
	c := rawClient(t, l)
	s := accept(t, l)
	start := time.Now()
	ce := closed(t, s)
	if ce.Code != core.CodeTimeout || ce.Remote || !errors.Is(ce, core.ErrTimeout) {
		t.Errorf("got %v; want core.CodeTimeout", ce)
	}
	if d := time.Since(start); d > limit/2 {
		t.Errorf("it took %v", d)
	}
	<-s.gone
	all, err := io.ReadAll(c) // the peer is told, if it is there after all
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Contains(all, appendClose(nil, core.CodeTimeout, "")) {
		t.Errorf("the peer reads %x, %v", all, err)
	}
}

func TestKeepalivesKeepAlive(t *testing.T) {
	const idle = 400 * time.Millisecond
	a, b := pair(t, Config{IdleTimeout: idle})
	ctx, cancel := context.WithTimeout(context.Background(), 3*idle)
	defer cancel()
	if _, err := a.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Recv: %v; want the context's end", err)
	}
	send(t, a, core.Reliable, "there?")
	recv(t, b)
}

// A peer that lives but takes nothing is cut off in the end, even if it talks.
func TestPeerThatTakesNothing(t *testing.T) {
	clean(t)
	l := listen(t, New(Config{WriteTimeout: 100 * time.Millisecond}))
	c := rawClient(t, l)
	s := accept(t, l)
	stop := make(chan struct{})
	go func() {
		for c.SetWriteDeadline(time.Now().Add(limit)) == nil {
			if _, err := c.Write(appendHeader(nil, kindKeepalive, 0)); err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		close(stop)
	}()
	for {
		err := s.Send(core.Reliable, make([]byte, MaxReliable))
		if errors.Is(err, core.ErrClosed) {
			break
		}
		if err != nil && !errors.Is(err, core.ErrBackpressure) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	if ce := closed(t, s); ce.Code != core.CodeSlow || ce.Remote {
		t.Errorf("got %v; want core.CodeSlow", ce)
	}
	<-stop
}

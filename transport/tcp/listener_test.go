package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

func TestListenerClose(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	c := dial(t, tr, l)
	s := accept(t, l)
	waiting := dial(t, tr, l)

	got := make(chan error, 4)
	for range cap(got) {
		go func() {
			for {
				c, err := l.Accept(context.Background())
				if err != nil {
					got <- err
					return
				}
				c.Close(core.CodeShutdown, "")
			}
		}()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wg.Wait()
	for range cap(got) {
		if err := <-got; !errors.Is(err, core.ErrClosed) {
			t.Errorf("Accept: %v; want core.ErrClosed", err)
		}
	}
	if ce := closed(t, waiting); ce.Code != core.CodeShutdown || !ce.Remote {
		t.Errorf("a connection that waited got %v; want core.CodeShutdown", ce)
	}
	send(t, c, core.Reliable, "still here")
	if got := recv(t, s); got != "still here" {
		t.Errorf("got %q", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Accept(ctx); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Accept: %v; want core.ErrClosed", err)
	}
	again, err := tr.Listen(testContext(t), l.Addr().String())
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	again.Close()
	failDialAfterClose(t, tr, l.Addr().String())
}

func failDialAfterClose(t *testing.T, tr *Transport, addr string) {
	t.Helper()
	if _, err := tr.Dial(testContext(t), addr); !errors.Is(err, core.ErrRefused) {
		t.Errorf("Dial: %v; want core.ErrRefused", err)
	}
}

func TestAcceptHeedsItsContext(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error, 1)
	go func() {
		_, err := l.Accept(ctx)
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("Accept: %v; want context.Canceled", err)
	}
	dial(t, tr, l)
	accept(t, l)
	if _, err := tr.Listen(ctx, "127.0.0.1:0"); !errors.Is(err, context.Canceled) {
		t.Errorf("Listen: %v; want context.Canceled", err)
	}
	if _, err := tr.Listen(context.Background(), l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen on a taken port: %v", err)
	}
}

// The context of the set-up is of no meaning afterwards.
func TestContextsGovernSetUpOnly(t *testing.T) {
	clean(t)
	tr := New(Config{})
	ctx, cancel := context.WithCancel(context.Background())
	l, err := tr.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := tr.Dial(ctx, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	send(t, c, core.Reliable, "x")
	recv(t, s)
	dial(t, tr, l)
	accept(t, l)
	c.Close(core.CodeNormal, "")
	s.Close(core.CodeNormal, "")
}

// Strangers that connect and say nothing, or nonsense, do not hold up anybody.
func TestSilentStrangers(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	for i := range 100 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		switch i % 4 {
		case 1:
			c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		case 2:
			c.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}) // the beginning of a ClientHello
		case 3:
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}
	start := time.Now()
	dial(t, tr, l)
	accept(t, l)
	if d := time.Since(start); d > DefaultHandshakeTimeout/2 {
		t.Errorf("a player waited %v", d)
	}
}

// A stranger gets HandshakeTimeout, and not more.
func TestHandshakeTimeout(t *testing.T) {
	clean(t)
	l := listen(t, New(Config{HandshakeTimeout: 20 * time.Millisecond}))
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(limit))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read: %v; want the end of the stream", err)
	}
}

// Of too many handshakes the oldest gives way.
func TestHalfOpenIsBounded(t *testing.T) {
	clean(t)
	tr := New(Config{HandshakeTimeout: limit})
	tr.maxHalfOpen = 4
	l := listen(t, tr)
	var strangers []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		strangers = append(strangers, c)
	}
	for _, c := range strangers[:6] {
		c.SetReadDeadline(time.Now().Add(limit))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an old stranger is still there: %v", err)
		}
	}
	l.mu.Lock()
	n := l.halfOpen.Len()
	l.mu.Unlock()
	if n != 4 {
		t.Errorf("%d handshakes are under way, want 4", n)
	}
	dial(t, tr, l)
	accept(t, l)
}

// More clients than may wait for Accept: they wait outside, and then are told.
func TestFullBacklog(t *testing.T) {
	clean(t)
	tr := New(Config{HandshakeTimeout: 2 * time.Second})
	tr.backlog = 2
	l := listen(t, tr)
	dial(t, tr, l)
	dial(t, tr, l)
	_, err := tr.Dial(testContext(t), l.Addr().String())
	var ce *core.CloseError
	if !errors.Is(err, core.ErrRefused) || !errors.As(err, &ce) || ce.Code != core.CodeFull {
		t.Errorf("Dial: %v; want core.CodeFull", err)
	}
	got := make(chan error, 1)
	go func() {
		c, err := tr.Dial(testContext(t), l.Addr().String())
		if err == nil {
			defer c.Close(core.CodeNormal, "")
		}
		got <- err
	}()
	for range 3 {
		accept(t, l)
	}
	if err := <-got; err != nil {
		t.Errorf("Dial: %v, although a place became free", err)
	}
}

// A client that said goodbye before it was accepted is still to be heard; one that
// was lost without a word is passed over.
func TestAcceptPassesOverTheLost(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	lost := dial(t, tr, l)
	lost.Drop(core.CodeNormal, "")
	for { // until the Listener knows
		if c := <-l.queue; c.stillborn() {
			l.queue <- c
			break
		} else {
			l.queue <- c
			runtime.Gosched()
		}
	}
	early := dial(t, tr, l)
	send(t, early, core.Reliable, "hello")
	early.Close(core.CodeApp, "and goodbye")
	s := accept(t, l)
	if got := recv(t, s); got != "hello" {
		t.Errorf("got %q", got)
	}
	if ce := closed(t, s); ce.Code != core.CodeApp || ce.Reason != "and goodbye" {
		t.Errorf("got %v", ce)
	}
}

// scripted is a net.Listener whose first errors a test chooses.
type scripted struct {
	net.Listener
	errs chan error
}

func (s *scripted) Accept() (net.Conn, error) {
	select {
	case err := <-s.errs:
		return nil, err
	default:
		return s.Listener.Accept()
	}
}

func TestAcceptSurvivesErrors(t *testing.T) {
	clean(t)
	errs := make(chan error, 3)
	errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
	errs <- syscall.ECONNABORTED
	errs <- io.ErrUnexpectedEOF
	tr := New(Config{Listen: func(ctx context.Context, network, addr string) (net.Listener, error) {
		l, err := net.Listen(network, addr)
		return &scripted{l, errs}, err
	}})
	l := listen(t, tr)
	dial(t, tr, l)
	accept(t, l)
	if len(errs) != 0 {
		t.Error("the errors did not happen")
	}

	// A socket that somebody else closed ends the Listener in words.
	l.socket.Close()
	if _, err := l.Accept(testContext(t)); !errors.Is(err, core.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v; want core.ErrClosed with its cause", err)
	}
	failed := New(Config{Listen: func(context.Context, string, string) (net.Listener, error) { return nil, syscall.EMFILE }})
	if _, err := failed.Listen(testContext(t), "x"); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Listen: %v", err)
	}
}

// A server stops with many players, and comes back on its port with its key.
func TestRestart(t *testing.T) {
	clean(t)
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	tr := New(Config{Identity: key, Linger: limit})
	addr := "127.0.0.1:0"
	for _, count := range []int{64, 8} {
		l, err := tr.Listen(testContext(t), addr)
		if err != nil {
			t.Fatal(err)
		}
		addr = l.Addr().String()
		var wg sync.WaitGroup
		var players, seats []*conn
		for range count {
			players = append(players, dial(t, tr, l))
			seats = append(seats, accept(t, l))
		}
		l.Close()
		start := time.Now()
		for _, s := range seats {
			wg.Go(func() { s.Close(core.CodeShutdown, "restart") })
		}
		for _, p := range players {
			if ce := closed(t, p); ce.Code != core.CodeShutdown || !ce.Remote {
				t.Errorf("a player got %v", ce)
			}
		}
		wg.Wait()
		if d := time.Since(start); d > limit/2 {
			t.Errorf("stopping took %v", d)
		}
	}
}

func TestManyCycles(t *testing.T) {
	clean(t)
	tr := New(Config{})
	l := listen(t, tr)
	var wg sync.WaitGroup
	const each = 25
	for range 4 {
		wg.Go(func() {
			for range each {
				c, err := tr.Dial(testContext(t), l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				c.Send(core.Reliable, []byte("x"))
				c.Close(core.CodeNormal, "")
			}
		})
	}
	for range 4 * each {
		s := accept(t, l)
		if got := recv(t, s); got != "x" {
			t.Errorf("got %q", got)
		}
		wg.Go(func() { s.Close(core.CodeNormal, "") })
	}
	wg.Wait()
}

package mem_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func send(t *testing.T, c core.Conn, d core.Delivery, msg string) {
	t.Helper()
	if err := c.Send(d, []byte(msg)); err != nil {
		t.Fatalf("Send(%s, %q): %v", d, msg, err)
	}
}

func want(t *testing.T, c core.Conn, msg string) {
	t.Helper()
	got, err := c.Recv(t.Context())
	if err != nil || string(got) != msg {
		t.Fatalf("Recv = %q, %v; want %q", got, err, msg)
	}
}

// wantClosed checks that Recv and Send give one and the same CloseError for ever.
func wantClosed(t *testing.T, c core.Conn, e core.CloseError) {
	t.Helper()
	_, first := c.Recv(t.Context())
	var got *core.CloseError
	if !errors.As(first, &got) || *got != e {
		t.Fatalf("Recv = %#v, want %#v", first, e)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if _, err := c.Recv(ended); err != first {
			t.Errorf("Recv = %v, want the same error again: %v", err, first)
		}
		if err := c.Send(core.Reliable, nil); err != first {
			t.Errorf("Send = %v, want %v", err, first)
		}
		if err := c.Send(core.Unreliable, make([]byte, 1<<20)); err != first {
			t.Errorf("Send of a large message = %v, want %v", err, first)
		}
	}
}

func TestMessages(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		for _, size := range []int{0, 1, 63, 64, 65, 1000, client.MaxSize(d)} {
			for _, dir := range [][2]core.Conn{{client, server}, {server, client}} {
				msg := bytes.Repeat([]byte{byte(size), 0xa5}, size)[:size]
				sent := bytes.Clone(msg)
				if err := dir[0].Send(d, sent); err != nil {
					t.Fatalf("Send(%s, %d bytes): %v", d, size, err)
				}
				clear(sent) // the caller's again
				got, err := dir[1].Recv(t.Context())
				if err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("Recv of %d bytes: got %d bytes, %v", size, len(got), err)
				}
			}
		}
	}
}

func TestPipe(t *testing.T) {
	a, b := mem.Pipe()
	for _, c := range []core.Conn{a, b} {
		if got := c.RemoteAddr(); got.Network() != "mem" || got.String() != "pipe" {
			t.Errorf("RemoteAddr = %s %s, want mem pipe", got.Network(), got)
		}
		if got := c.MaxSize(core.Reliable); got != mem.DefaultMaxReliable {
			t.Errorf("MaxSize = %d, want that of the zero Transport", got)
		}
	}
	send(t, a, core.Reliable, "one way")
	send(t, b, core.Unreliable, "and the other")
	want(t, b, "one way")
	want(t, a, "and the other")
	send(t, b, core.Reliable, "last")
	b.Close(core.CodeKicked, "out")
	want(t, a, "last")
	wantClosed(t, a, core.CloseError{Code: core.CodeKicked, Reason: "out", Remote: true})
	wantClosed(t, b, core.CloseError{Code: core.CodeKicked, Reason: "out"})
}

func TestRecvBytesAreTheCallers(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	for range 3 {
		send(t, client, core.Reliable, "first")
		send(t, client, core.Reliable, "second")
		got, _ := server.Recv(t.Context())
		send(t, client, core.Reliable, "third") // must not use the buffer that got is in
		if string(got) != "first" {
			t.Fatalf("the bytes changed to %q before the next Recv", got)
		}
		clear(append(got, make([]byte, 32)...)) // the caller may change them
		want(t, server, "second")
		want(t, server, "third")
	}
}

func TestSendRefuses(t *testing.T) {
	network := &mem.Transport{MaxUnreliable: 1400, MaxReliable: 1 << 20, QueueBytes: 10}
	for _, tt := range []struct {
		network *mem.Transport
		d       core.Delivery
		max     int
	}{
		{new(mem.Transport), core.Unreliable, mem.DefaultMaxUnreliable},
		{new(mem.Transport), core.Reliable, core.MinReliableSize},
		{network, core.Unreliable, 1400},
		{network, core.Reliable, 1 << 20}, // the queue grows to hold one
	} {
		client, server := connect(t, tt.network)
		if got := client.MaxSize(tt.d); got != tt.max {
			t.Fatalf("MaxSize(%s) = %d, want %d", tt.d, got, tt.max)
		}
		err := client.Send(tt.d, make([]byte, tt.max+1))
		var large *core.TooLargeError
		if !errors.As(err, &large) || *large != (core.TooLargeError{Size: tt.max + 1, Max: tt.max, Delivery: tt.d}) {
			t.Errorf("Send = %#v, want a *core.TooLargeError", err)
		}
		if err := client.Send(tt.d, make([]byte, tt.max)); err != nil {
			t.Errorf("Send of MaxSize bytes: %v", err)
		}
		if got, err := server.Recv(t.Context()); len(got) != tt.max || err != nil {
			t.Errorf("Recv = %d bytes, %v; want the %d that were taken and none of the refused", len(got), err, tt.max)
		}
		client.Close(core.CodeNormal, "")
		if got := client.MaxSize(tt.d); got != tt.max {
			t.Errorf("MaxSize(%s) = %d after Close, want %d", tt.d, got, tt.max)
		}
	}
	client, _ := connect(t, new(mem.Transport))
	if err := client.Send(7, nil); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("Send with delivery 7 = %v, want a core.ErrUnsupported", err)
	}
}

func TestRecvContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, new(mem.Transport))
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			errs := make(chan error)
			go func() {
				_, err := server.Recv(ctx)
				errs <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Fatalf("Recv = %v, want context.Canceled", err)
			}
			if _, err := server.Recv(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("Recv with an ended context = %v, want context.Canceled", err)
			}
			send(t, client, core.Unreliable, "kept")
			want(t, server, "kept")
		}
	})
}

// A message that comes as ctx ends is returned then or by the next Recv.
func TestRecvContextLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, new(mem.Transport))
		for i := range 500 {
			ctx, cancel := context.WithCancel(t.Context())
			var got []byte
			var err error
			var wg sync.WaitGroup
			wg.Go(func() { got, err = server.Recv(ctx) })
			wg.Go(func() { client.Send(core.Reliable, []byte{byte(i)}) })
			wg.Go(cancel)
			wg.Wait()
			if err != nil {
				got, err = server.Recv(t.Context())
			}
			if err != nil || len(got) != 1 || got[0] != byte(i) {
				t.Fatalf("message %d: Recv = %v, %v", i, got, err)
			}
		}
	})
}

func TestClose(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	send(t, client, core.Reliable, "one")
	send(t, client, core.Unreliable, "two")
	send(t, client, core.Reliable, "")
	send(t, server, core.Reliable, "unread")
	for i := range 3 {
		if err := client.Close(core.CodeKicked+core.Code(i), "first counts"); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if err := server.Close(core.CodeFull, "too late"); err != nil {
		t.Errorf("Close = %v", err)
	}
	want(t, server, "one")
	want(t, server, "two")
	want(t, server, "")
	wantClosed(t, server, core.CloseError{Code: core.CodeKicked, Reason: "first counts", Remote: true})
	want(t, client, "unread")
	wantClosed(t, client, core.CloseError{Code: core.CodeKicked, Reason: "first counts"})
}

func TestCloseCutsTheReason(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	reason := strings.Repeat("ż", core.MaxReason)
	client.Close(core.CodeApp, reason)
	wantClosed(t, server, core.CloseError{Code: core.CodeApp, Reason: core.CutReason(reason), Remote: true})
}

func TestCloseUnblocksRecv(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, new(mem.Transport))
		errs := make(chan error)
		for _, c := range []core.Conn{client, server} {
			go func() {
				_, err := c.Recv(context.Background())
				errs <- err
			}()
		}
		synctest.Wait()
		client.Close(core.CodeNormal, "")
		for range 2 {
			if err := <-errs; !errors.Is(err, core.ErrClosed) {
				t.Errorf("Recv = %v, want a core.ErrClosed", err)
			}
		}
	})
}

// When both close at once, one of them is the first for both.
func TestSimultaneousClose(t *testing.T) {
	for range 100 {
		client, server := connect(t, new(mem.Transport))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { client.Close(core.CodeApp, "client") })
			wg.Go(func() { server.Close(core.CodeApp+1, "server") })
		}
		wg.Wait()
		_, err := client.Recv(t.Context())
		var e *core.CloseError
		if !errors.As(err, &e) {
			t.Fatalf("Recv = %v, want a *core.CloseError", err)
		}
		other := *e
		other.Remote = !e.Remote
		wantClosed(t, server, other)
		if e.Remote != (e.Reason == "server") {
			t.Fatalf("the client's error does not say who closed: %#v", e)
		}
	}
}

func TestDrop(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	send(t, client, core.Reliable, "never seen")
	send(t, server, core.Reliable, "arrived")
	dropper, ok := core.As[core.Dropper](client)
	if !ok {
		t.Fatal("a Conn is not a core.Dropper")
	}
	dropper.Drop(core.CodeFlood, "enough")
	wantClosed(t, server, core.CloseError{Code: core.CodeFlood, Reason: "enough", Remote: true})
	want(t, client, "arrived")
	wantClosed(t, client, core.CloseError{Code: core.CodeFlood, Reason: "enough"})
	if q := client.Stats().Queued; q != 0 {
		t.Errorf("Queued = %d after Drop, want 0", q)
	}
}

func TestLastDelivery(t *testing.T) {
	client, server := connect(t, new(mem.Transport))
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable, core.Unreliable} {
		send(t, client, d, "")
		want(t, server, "")
		if got := server.(interface{ LastDelivery() core.Delivery }).LastDelivery(); got != d {
			t.Errorf("LastDelivery = %s, want %s", got, d)
		}
	}
}

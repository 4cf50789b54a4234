package mem_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func TestListenAddresses(t *testing.T) {
	for _, tt := range []struct {
		addr, host string // host: what the chosen address begins with, "" when it is addr itself
	}{
		{"", "mem:"},
		{":0", "mem:"},
		{"127.0.0.1:0", "127.0.0.1:"},
		{"room:0", "room:"},
		{"a lobby with spaces", ""},
		{"127.0.0.1:7777", ""},
		{"żółw", ""},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			network := new(mem.Transport)
			l, err := network.Listen(t.Context(), tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			got := l.Addr().String()
			switch {
			case tt.host == "" && got != tt.addr:
				t.Errorf("Addr = %q, want %q", got, tt.addr)
			case tt.host != "" && (!strings.HasPrefix(got, tt.host) || strings.HasSuffix(got, ":0")):
				t.Errorf("Addr = %q, want %sN with N > 0", got, tt.host)
			}
			if l.Addr().Network() != "mem" {
				t.Errorf("Network = %q, want mem", l.Addr().Network())
			}
			conn, err := network.Dial(t.Context(), got)
			if err != nil {
				t.Fatalf("Addr does not dial back: %v", err)
			}
			if conn.RemoteAddr().String() != got {
				t.Errorf("RemoteAddr = %q, want %q", conn.RemoteAddr(), got)
			}
		})
	}
}

func TestListenChoosesFreeAddresses(t *testing.T) {
	network := new(mem.Transport)
	seen := make(map[string]bool)
	for _, addr := range []string{"mem:1", "mem:3", "", "", ":0", ""} {
		l, err := network.Listen(t.Context(), addr)
		if err != nil {
			t.Fatalf("Listen(%q): %v", addr, err)
		}
		if seen[l.Addr().String()] {
			t.Fatalf("%s was given twice", l.Addr())
		}
		seen[l.Addr().String()] = true
	}
}

func TestListenTakenAddress(t *testing.T) {
	network := new(mem.Transport)
	l, err := network.Listen(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := network.Listen(t.Context(), "room"); err == nil {
		t.Error("two Listeners have one address")
	}
	if _, err := new(mem.Transport).Listen(t.Context(), "room"); err != nil {
		t.Errorf("another network's address is in the way: %v", err)
	}
	l.Close()
	again, err := network.Listen(t.Context(), "room")
	if err != nil {
		t.Fatalf("the address of a closed Listener is not free: %v", err)
	}
	l.Close() // once more: it must not take the address from its successor
	if _, err := network.Dial(t.Context(), "room"); err != nil {
		t.Errorf("Dial of the second Listener: %v", err)
	}
	again.Close()
}

func TestEndedContext(t *testing.T) {
	network := new(mem.Transport)
	l, err := network.Listen(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := network.Listen(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Listen = %v, want context.Canceled", err)
	}
	if _, err := network.Dial(ctx, "room"); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v, want context.Canceled", err)
	}
	if _, err := l.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept = %v, want context.Canceled", err)
	}
}

// The context of Listen and Dial governs the set-up only.
func TestContextIsForSetUpOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(mem.Transport)
		ctx, cancel := context.WithCancel(t.Context())
		l, err := network.Listen(ctx, "room")
		if err != nil {
			t.Fatal(err)
		}
		client, err := network.Dial(ctx, "room")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		server, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		send(t, client, core.Reliable, "hi")
		want(t, server, "hi")
		if _, err := network.Dial(t.Context(), "room"); err != nil {
			t.Errorf("Dial after the end of Listen's context: %v", err)
		}
	})
}

func TestDialNobody(t *testing.T) {
	network := new(mem.Transport)
	other := new(mem.Transport)
	if _, err := other.Listen(t.Context(), "elsewhere"); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"", ":0", "nobody", "elsewhere"} {
		conn, err := network.Dial(t.Context(), addr)
		if conn != nil || !errors.Is(err, core.ErrRefused) {
			t.Errorf("Dial(%q) = %v, %v; want a core.ErrRefused", addr, conn, err)
		}
	}
	l, _ := network.Listen(t.Context(), "gone")
	l.Close()
	if _, err := network.Dial(t.Context(), "gone"); !errors.Is(err, core.ErrRefused) {
		t.Errorf("Dial of a closed Listener = %v, want a core.ErrRefused", err)
	}
}

func TestDialReturnsBeforeAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(mem.Transport)
		l, _ := network.Listen(t.Context(), "room")
		client, err := network.Dial(t.Context(), "room") // deadlocks the bubble if it waits
		if err != nil {
			t.Fatal(err)
		}
		send(t, client, core.Unreliable, "early")
		client.Close(core.CodeNormal, "bye")

		server, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, server, "early")
		wantClosed(t, server, core.CloseError{Reason: "bye", Remote: true})
	})
}

func TestFullBacklog(t *testing.T) {
	for _, tt := range []struct {
		name          string
		backlog, room int
	}{
		{"default", 0, mem.DefaultBacklog},
		{"three", 3, 3},
		{"none", -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &mem.Transport{Backlog: tt.backlog}
				l, _ := network.Listen(t.Context(), "room")
				for i := range tt.room {
					if _, err := network.Dial(t.Context(), "room"); err != nil {
						t.Fatalf("dial %d: %v", i, err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_, err := network.Dial(ctx, "room")
				if !errors.Is(err, core.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Dial = %v, want a core.ErrTimeout that wraps the context's error", err)
				}
				if waited := time.Since(start); waited != time.Second {
					t.Errorf("Dial waited %v, want 1s", waited)
				}

				// The dialer that waits is let in as soon as there is room.
				dialed := make(chan error)
				go func() {
					_, err := network.Dial(t.Context(), "room")
					dialed <- err
				}()
				synctest.Wait()
				for range tt.room + 1 {
					if _, err := l.Accept(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if err := <-dialed; err != nil {
					t.Errorf("the waiting Dial: %v", err)
				}
				// And the one that gave up has left nothing behind.
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := l.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Accept = %v, want no further connection", err)
				}
			})
		})
	}
}

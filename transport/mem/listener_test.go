package mem_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &mem.Transport{Backlog: 2}
		l, _ := network.Listen(t.Context(), "room")
		accepted, _ := network.Dial(t.Context(), "room")
		server, _ := l.Accept(t.Context())
		var waiting [2]core.Conn
		for i := range waiting {
			waiting[i], _ = network.Dial(t.Context(), "room")
		}
		outside := make(chan error)
		go func() {
			_, err := network.Dial(t.Context(), "room")
			outside <- err
		}()
		synctest.Wait()

		for range 3 {
			if err := l.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		if err := <-outside; !errors.Is(err, core.ErrRefused) {
			t.Errorf("Dial that waited for the backlog = %v, want a core.ErrRefused", err)
		}
		for _, conn := range waiting {
			wantClosed(t, conn, core.CloseError{Code: core.CodeRefused, Reason: "listener closed", Remote: true})
			if err := conn.Send(core.Reliable, nil); !errors.Is(err, core.ErrRefused) {
				t.Errorf("Send = %v, want a core.ErrRefused", err)
			}
		}
		send(t, accepted, core.Reliable, "still here")
		want(t, server, "still here")
		for range 3 {
			if _, err := l.Accept(t.Context()); !errors.Is(err, core.ErrClosed) {
				t.Errorf("Accept = %v, want a core.ErrClosed", err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Accept(ended); !errors.Is(err, core.ErrClosed) {
			t.Errorf("Accept with an ended context = %v, want a core.ErrClosed", err)
		}
		if got := l.Addr().String(); got != "room" {
			t.Errorf("Addr = %q after Close, want room", got)
		}
	})
}

func TestListenerCloseUnblocksEveryAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := new(mem.Transport).Listen(t.Context(), "room")
		const acceptors = 5
		errs := make(chan error, acceptors)
		for range acceptors {
			go func() {
				_, err := l.Accept(context.Background())
				errs <- err
			}()
		}
		synctest.Wait()
		l.Close()
		for range acceptors {
			if err := <-errs; !errors.Is(err, core.ErrClosed) {
				t.Errorf("Accept = %v, want a core.ErrClosed", err)
			}
		}
	})
}

func TestAcceptContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(mem.Transport)
		l, _ := network.Listen(t.Context(), "room")
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error)
		go func() {
			_, err := l.Accept(ctx)
			errs <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("Accept = %v, want context.Canceled", err)
		}
		network.Dial(t.Context(), "room")
		if _, err := l.Accept(t.Context()); err != nil {
			t.Errorf("Accept after one that was cancelled: %v", err)
		}
	})
}

// However Dial, Accept and Close interleave, each dialer ends with an error, with
// a Conn that was accepted, or with one that says it was refused: no limbo.
func TestDialWhileListenerCloses(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			network := &mem.Transport{Backlog: 2}
			l, _ := network.Listen(t.Context(), "room")
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					conn, err := l.Accept(t.Context())
					if err != nil {
						return
					}
					conn.Send(core.Reliable, []byte("welcome"))
				}
			})
			for range 6 {
				wg.Go(func() {
					conn, err := network.Dial(t.Context(), "room")
					if err != nil {
						if !errors.Is(err, core.ErrRefused) {
							t.Errorf("Dial = %v, want a core.ErrRefused", err)
						}
						return
					}
					msg, err := conn.Recv(t.Context())
					if string(msg) != "welcome" && !errors.Is(err, core.ErrRefused) {
						t.Errorf("Recv = %q, %v; want a welcome or a core.ErrRefused", msg, err)
					}
				})
			}
			wg.Go(func() { l.Close() })
			wg.Wait()
		})
	}
}

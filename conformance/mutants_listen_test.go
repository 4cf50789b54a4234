package conformance

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// onListener makes a mutant of Listeners.
func onListener(breaks func(l *doubleListener)) func(testing.TB) core.Transport {
	return broken(func(d *double) { d.door = breaks })
}

var listenMutants = []mutant{
	{of("Listen/Addr"), "does not put the real port into Addr", onListener(func(l *doubleListener) {
		l.addr = func() net.Addr { return someAddr("127.0.0.1:0") }
	}), nil},
	{of("Listen/Addr"), "forgets Addr when it is closed", onListener(func(l *doubleListener) {
		var closed atomic.Bool
		l.close = func() error { closed.Store(true); return l.Listener.Close() }
		l.addr = func() net.Addr {
			if closed.Load() {
				return nil
			}
			return l.Listener.Addr()
		}
	}), nil},
	{of("Listen/Several"), "has room for one Listener", broken(func(d *double) {
		d.listen = func(ctx context.Context, addr string) (core.Listener, error) {
			return d.Transport.Listen(ctx, "the one")
		}
	}), nil},
	{of("Listen/CloseSparesConns"), "closes accepted Conns with their Listener", broken(func(d *double) {
		var mu sync.Mutex
		var conns []core.Conn
		d.door = func(l *doubleListener) {
			l.accept = func(ctx context.Context) (core.Conn, error) {
				c, err := l.Listener.Accept(ctx)
				if err == nil {
					mu.Lock()
					conns = append(conns, c)
					mu.Unlock()
				}
				return c, err
			}
			l.close = func() error {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range conns {
					c.Close(core.CodeShutdown, "")
				}
				return l.Listener.Close()
			}
		}
	}), nil},
	{of("Listen/CloseEndsWaiting"), "forgets who waits to be accepted", onListener(func(l *doubleListener) {
		l.close = func() error {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				_, err := l.Listener.Accept(ctx)
				cancel()
				if err != nil {
					return l.Listener.Close()
				}
			}
		}
	}), nil},
	{of("Listen/CloseTwice"), "returns an error from the second Close of a Listener", onListener(func(l *doubleListener) {
		var once sync.Once
		l.close = func() error {
			err := net.ErrClosed
			once.Do(func() { err = l.Listener.Close() })
			return err
		}
	}), nil},
	{of("Listen/CloseTwice"), "panics in the second Close of a Listener", onListener(func(l *doubleListener) {
		done := make(chan struct{})
		l.close = func() error { close(done); return l.Listener.Close() }
	}), nil},
	{of("Listen/Again"), "never gives an address back", broken(func(d *double) {
		var mu sync.Mutex
		used := make(map[string]bool)
		d.listen = func(ctx context.Context, addr string) (core.Listener, error) {
			mu.Lock()
			defer mu.Unlock()
			if used[addr] {
				return nil, errors.New("address already in use")
			}
			l, err := d.Transport.Listen(ctx, addr)
			if err == nil {
				used[l.Addr().String()] = true
			}
			return l, err
		}
	}), nil},
	{of("Accept/Context"), "accepts on though its context has ended", onListener(func(l *doubleListener) {
		l.accept = func(ctx context.Context) (core.Conn, error) { return l.Listener.Accept(context.WithoutCancel(ctx)) }
	}), nil},
	{of("Accept/Context"), "hides that Accept's context has ended", onListener(func(l *doubleListener) {
		l.accept = func(ctx context.Context) (core.Conn, error) {
			c, err := l.Listener.Accept(ctx)
			if err != nil && !errors.Is(err, core.ErrClosed) {
				return nil, errors.New("accept failed")
			}
			return c, err
		}
	}), nil},
	{of("Accept/LosesNothing"), "loses a connection that comes as Accept's context ends", onListener(func(l *doubleListener) {
		l.accept = func(ctx context.Context) (core.Conn, error) {
			c, err := l.Listener.Accept(ctx)
			time.Sleep(500 * time.Microsecond)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return c, err
		}
	}), nil},
	{of("Accept/CloseUnblocks"), "does not unblock Accept when the Listener is closed", onListener(func(l *doubleListener) {
		l.accept = func(ctx context.Context) (core.Conn, error) {
			c, err := l.Listener.Accept(ctx)
			if errors.Is(err, core.ErrClosed) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return c, err
		}
	}), nil},
	{of("Accept/ClosedForEver", "Accept/CloseUnblocks"), "says only once that the Listener is closed", onListener(func(l *doubleListener) {
		var said atomic.Bool
		l.accept = func(ctx context.Context) (core.Conn, error) {
			c, err := l.Listener.Accept(ctx)
			if errors.Is(err, core.ErrClosed) && said.Swap(true) {
				return nil, io.EOF
			}
			return c, err
		}
	}), nil},
}

package conformance

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// A baton is a lock for mutants that wait with it in their hands: virtual time goes on
// meanwhile, as it does not for a sync.Mutex.
type baton chan struct{}

func (b baton) Lock()   { b <- struct{}{} }
func (b baton) Unlock() { <-b }

var concurrencyMutants = []mutant{
	{of("Concurrency/Conn", "Close/UnblocksRecv"), "has one lock for Recv, Close and Stats", onConn(func(c *doubleConn) {
		mu := make(baton, 1)
		c.recv = func(ctx context.Context) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return c.Conn.Recv(ctx)
		}
		c.stats = func() core.Stats {
			mu.Lock()
			defer mu.Unlock()
			return c.Conn.Stats()
		}
		c.close = func(code core.Code, reason string) error {
			mu.Lock()
			defer mu.Unlock()
			return c.Conn.Close(code, reason)
		}
	}), nil},
	{of("Concurrency/BothWays"), "does not receive while it waits for room to send", func(testing.TB) core.Transport {
		return doubleOf(&mem.Transport{QueueMessages: 4}).each(func(c *doubleConn) {
			mu := make(baton, 1)
			c.send = func(d core.Delivery, msg []byte) error {
				mu.Lock()
				defer mu.Unlock()
				for {
					err := c.Conn.Send(d, msg)
					if !errors.Is(err, core.ErrBackpressure) {
						return err
					}
					time.Sleep(100 * time.Microsecond)
				}
			}
			c.recv = func(ctx context.Context) ([]byte, error) {
				time.Sleep(time.Millisecond)
				mu.Lock()   // when Send has found room
				mu.Unlock() //lint:ignore SA2001 it only waits
				return c.Conn.Recv(ctx)
			}
		})
	}, nil},
	{of("Concurrency/SlowNeighbour"), "lets one slow peer hold up all", broken(func(d *double) {
		var mu sync.Mutex
		var slow *doubleConn
		d.each(func(c *doubleConn) {
			c.send = func(dl core.Delivery, msg []byte) error {
				mu.Lock()
				defer mu.Unlock()
				if slow != nil && slow != c {
					return core.ErrBackpressure
				}
				err := c.Conn.Send(dl, msg)
				if slow = nil; errors.Is(err, core.ErrBackpressure) {
					slow = c
				}
				return err
			}
		})
	}), nil},
	{of("Concurrency/Transport"), "cannot listen while it listens", broken(func(d *double) {
		var busy sync.Mutex
		d.listen = func(ctx context.Context, addr string) (core.Listener, error) {
			if !busy.TryLock() {
				return nil, errors.New("busy")
			}
			defer busy.Unlock()
			time.Sleep(time.Millisecond)
			return d.Transport.Listen(ctx, addr)
		}
	}), nil},
}

// cut hands a mutant to the laws of silence: breaks is applied to a double over a link
// that can be cut.
func cut(breaks func(d *double, link *netsim.Transport)) func(h *Transport) {
	return func(h *Transport) {
		h.Silent = func(testing.TB) (core.Transport, func()) {
			link := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
			d := doubleOf(link)
			breaks(d, link)
			return d, link.Cut
		}
	}
}

var silenceMutants = []mutant{
	{of("Silence/Noticed"), "never notices that its peer fell silent", broken(func(*double) {}), cut(func(*double, *netsim.Transport) {})},
	{of("Silence/Noticed"), "does not say that its peer fell silent", broken(func(*double) {}), cut(func(d *double, _ *netsim.Transport) {
		d.each(func(c *doubleConn) {
			c.recv = func(ctx context.Context) ([]byte, error) {
				quiet, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				msg, err := c.Conn.Recv(quiet)
				if err != nil && quiet.Err() != nil {
					err = &core.CloseError{Code: core.CodeInternal}
				}
				return msg, err
			}
		})
	})},
	{of("Silence/Dial"), "does not say that nobody answered in time", broken(func(*double) {}), cut(func(d *double, _ *netsim.Transport) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				return nil, core.Errorf(core.ErrRefused, "dial %s: no answer", addr)
			}
			return c, nil
		}
	})},
	{of("Silence/Dial"), "waits for an answer for longer than its context", broken(func(*double) {}), cut(func(d *double, _ *netsim.Transport) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			return d.Transport.Dial(context.WithoutCancel(ctx), addr)
		}
	})},
	{of("Silence/Send"), "waits in Send for a peer that fell silent", broken(func(*double) {}), cut(func(d *double, _ *netsim.Transport) {
		d.each(func(c *doubleConn) {
			c.send = func(dl core.Delivery, msg []byte) error {
				for {
					err := c.Conn.Send(dl, msg)
					if !errors.Is(err, core.ErrBackpressure) {
						return err
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	})},
	{of("Silence/Close"), "lingers in Close for as long as its peer is silent", broken(func(*double) {}), cut(func(_ *double, link *netsim.Transport) {
		link.Linger = 20 * time.Second
	})},
}

// leaking makes a mutant that keeps something for each Conn; free gives it back when the
// test is over.
func leaking(leak func() (free func())) func(testing.TB) core.Transport {
	return func(tb testing.TB) core.Transport {
		return newDouble().each(func(*doubleConn) { tb.Cleanup(leak()) })
	}
}

func leakGoroutine() func() {
	done := make(chan struct{})
	go func() { <-done }()
	return func() { close(done) }
}

func leakFile() func() {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return func() {}
	}
	return func() { f.Close() }
}

var leakMutants = []mutant{
	{of("Leak/Goroutines"), "leaves a goroutine behind with each Conn", leaking(leakGoroutine), nil},
	{of("Leak/Goroutines"), "leaves a goroutine behind with each Listener", func(tb testing.TB) core.Transport {
		d := newDouble()
		d.door = func(*doubleListener) { tb.Cleanup(leakGoroutine()) }
		return d
	}, nil},
	{of("Leak/Files"), "leaves a file open with each Conn", leaking(leakFile), nil},
	{of("Leak/Memory"), "keeps the buffer of each Conn for ever", func(tb testing.TB) core.Transport {
		var mu sync.Mutex
		var buffers [][]byte
		tb.Cleanup(func() { buffers = nil })
		return newDouble().each(func(*doubleConn) {
			mu.Lock()
			defer mu.Unlock()
			buffers = append(buffers, make([]byte, 64<<10))
		})
	}, nil},
	{of("Leak/FailedDials"), "leaves a goroutine behind with each Dial that fails", func(tb testing.TB) core.Transport {
		d := newDouble()
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				tb.Cleanup(leakGoroutine())
			}
			return c, err
		}
		return d
	}, nil},
	{of("Leak/FailedDials"), "leaves a socket open with each Dial that fails", func(tb testing.TB) core.Transport {
		d := newDouble()
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				if f, err := os.Open(os.DevNull); err == nil {
					tb.Cleanup(func() { f.Close() })
				}
			}
			return c, err
		}
		return d
	}, nil},
}

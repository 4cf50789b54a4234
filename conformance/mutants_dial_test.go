package conformance

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// broken makes the factory of a mutant.
func broken(breaks func(d *double)) func(testing.TB) core.Transport {
	return func(testing.TB) core.Transport {
		d := newDouble()
		breaks(d)
		return d
	}
}

// nobody returns a Conn to nobody.
func nobody() core.Conn {
	t := new(mem.Transport)
	ctx := context.Background()
	l, _ := t.Listen(ctx, "nobody")
	c, _ := t.Dial(ctx, "nobody")
	l.Accept(ctx)
	return c
}

var dialMutants = []mutant{
	{of("Dial/UsableAtOnce"), "loses what is sent before the other end was accepted", broken(func(d *double) {
		d.each(func(c *doubleConn) {
			c.send = func(dl core.Delivery, msg []byte) error {
				if c.dialed && c.calls.Add(1) == 1 {
					return nil
				}
				return c.Conn.Send(dl, msg)
			}
		})
	}), nil},
	{of("Dial/UsableAtOnce"), "refuses to send right after Dial", broken(func(d *double) {
		d.each(func(c *doubleConn) {
			c.send = func(dl core.Delivery, msg []byte) error {
				if c.dialed && c.calls.Add(1) < 3 {
					return errors.New("not connected yet")
				}
				return c.Conn.Send(dl, msg)
			}
		})
	}), nil},
	{of("Dial/Refused", "Listen/CloseWhileDialling"), "returns a Conn to nobody where nobody listens", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			time.Sleep(time.Millisecond)
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				return nobody(), nil
			}
			return c, nil
		}
	}), nil},
	{of("Dial/Refused", "Listen/CloseWhileDialling"), "does not say of what kind the error of a Dial is", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			time.Sleep(time.Millisecond)
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				return nil, errors.New("dial failed")
			}
			return c, nil
		}
	}), nil},
	{of("Dial/Refused"), "hangs in a Dial to nobody", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				select {}
			}
			return c, nil
		}
	}), nil},
	{of("Dial/Cancelled"), "dials though its context has ended", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			return d.Transport.Dial(context.WithoutCancel(ctx), addr)
		}
	}), nil},
	{of("Dial/CancelMidway"), "hides why a cancelled Dial failed", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			time.Sleep(2 * time.Millisecond)
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				return nil, core.Errorf(core.ErrRefused, "dial failed")
			}
			return c, nil
		}
	}), nil},
	{of("Dial/NoHalfOpen"), "forgets the connection of a cancelled Dial", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(context.WithoutCancel(ctx), addr)
			time.Sleep(2 * time.Millisecond)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return c, err
		}
	}), nil},
	{of("Dial/NobodyAccepts"), "waits for a free place in the backlog, whatever its context says", func(testing.TB) core.Transport {
		d := doubleOf(&mem.Transport{Backlog: -1})
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			return d.Transport.Dial(context.WithoutCancel(ctx), addr)
		}
		return d
	}, nil},
	{of("Dial/Many"), "turns away who dials while another does", broken(func(d *double) {
		var busy sync.Mutex
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			if !busy.TryLock() {
				return nil, core.Errorf(core.ErrRefused, "busy")
			}
			defer busy.Unlock()
			time.Sleep(time.Millisecond)
			return d.Transport.Dial(ctx, addr)
		}
	}), nil},
	{of("Dial/ContextLater"), "closes the Conn when the context of Dial ends", broken(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(ctx, addr)
			if err == nil {
				context.AfterFunc(ctx, func() { c.Close(core.CodeNormal, "") })
			}
			return c, err
		}
	}), nil},
	{of("Dial/ContextLater"), "closes the Listener when the context of Listen ends", broken(func(d *double) {
		d.listen = func(ctx context.Context, addr string) (core.Listener, error) {
			l, err := d.Transport.Listen(ctx, addr)
			if err == nil {
				context.AfterFunc(ctx, func() { l.Close() })
			}
			return l, err
		}
	}), nil},
	{of("Dial/RemoteAddr"), "has no RemoteAddr on the listener's side", broken(func(d *double) {
		d.each(func(c *doubleConn) {
			c.remote = func() net.Addr {
				if !c.dialed {
					return nil
				}
				return c.Conn.RemoteAddr()
			}
		})
	}), nil},
	{of("Dial/RemoteAddr"), "has no RemoteAddr after Close", broken(func(d *double) {
		d.each(func(c *doubleConn) {
			c.remote = func() net.Addr {
				if c.Conn.Send(core.Unreliable, nil) != nil {
					return nil
				}
				return c.Conn.RemoteAddr()
			}
		})
	}), nil},
}

type someAddr string

func (someAddr) Network() string  { return "some" }
func (a someAddr) String() string { return string(a) }

package conformance

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/tcp"
)

// overTCP makes the factory of a mutant of transport/tcp.
func overTCP(breaks func(d *double)) func(testing.TB) core.Transport {
	return func(testing.TB) core.Transport {
		d := doubleOf(tcp.New(tcp.Config{IdleTimeout: streamTimeout}))
		breaks(d)
		return d
	}
}

const streamTimeout = 500 * time.Millisecond

func withStreamTimeout(h *Transport) { h.Timeout = streamTimeout }

// whenLost makes a mutant of Recv where the connection broke.
func whenLost(recv func(ctx context.Context, c *doubleConn, lost *core.CloseError) ([]byte, error)) func(testing.TB) core.Transport {
	return overTCP(func(d *double) {
		d.each(func(c *doubleConn) {
			c.recv = func(ctx context.Context) ([]byte, error) {
				msg, err := c.Conn.Recv(ctx)
				var end *core.CloseError
				if errors.As(err, &end) && end.Code == core.CodeLost {
					return recv(ctx, c, end)
				}
				return msg, err
			}
		})
	})
}

// leakingWhenLost makes a mutant that leaves something behind when a connection breaks.
func leakingWhenLost(leak func() (free func())) func(testing.TB) core.Transport {
	return func(tb testing.TB) core.Transport {
		return whenLost(func(_ context.Context, c *doubleConn, lost *core.CloseError) ([]byte, error) {
			if c.calls.Add(1) == 1 {
				tb.Cleanup(leak())
			}
			return nil, lost
		})(tb)
	}
}

// shortRead takes one byte alone for the end.
type shortRead struct{ net.Conn }

func (s shortRead) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n == 1 {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

var streamMutants = []mutant{
	{of("Stream/Crawl"), "takes a short read for the end of the stream", func(testing.TB) core.Transport {
		return withDoorman(func(c net.Conn) net.Conn { return shortRead{c} })
	}, withStreamTimeout},
	{of("Stream/Far"), "waits for an answer for a few milliseconds only", overTCP(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			defer cancel()
			return d.Transport.Dial(ctx, addr)
		}
	}), withStreamTimeout},
	{of("Stream/Stall"), "takes a peer for silent long before Timeout", func(testing.TB) core.Transport {
		return tcp.New(tcp.Config{IdleTimeout: streamTimeout / 8})
	}, withStreamTimeout},
	{of("Stream/Broken", "Stream/HalfClosed"), "takes a connection that broke for one that was closed", whenLost(func(_ context.Context, _ *doubleConn, lost *core.CloseError) ([]byte, error) {
		return nil, &core.CloseError{Code: core.CodeNormal, Remote: true, Err: lost}
	}), withStreamTimeout},
	{of("Stream/Broken", "Stream/HalfClosed", "Stream/BrokenDial"), "never notices that its connection broke", whenLost(func(ctx context.Context, c *doubleConn, lost *core.CloseError) ([]byte, error) {
		for c.Conn.Send(core.Unreliable, nil) == nil || !c.over.Load() {
			time.Sleep(time.Millisecond)
		}
		return nil, lost
	}), withStreamTimeout},
	{of("Stream/Broken"), "returns half a message when its connection breaks", whenLost(func(_ context.Context, c *doubleConn, lost *core.CloseError) ([]byte, error) {
		if c.calls.Add(1) == 1 {
			return make([]byte, 100), nil
		}
		return nil, lost
	}), withStreamTimeout},
	{of("Stream/Broken"), "throws away what arrived when its connection breaks", overTCP(func(d *double) {
		d.each(func(c *doubleConn) {
			var last []byte // one message is kept back until there is another
			c.recv = func(ctx context.Context) ([]byte, error) {
				for {
					msg, err := c.Conn.Recv(ctx)
					if err != nil {
						return nil, err
					}
					give := last
					if last = append([]byte{}, msg...); give != nil {
						return give, nil
					}
				}
			}
		})
	}), withStreamTimeout},
	{of("Stream/BrokenDial"), "dials for ever where the connection breaks", overTCP(func(d *double) {
		d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
			c, err := d.Transport.Dial(ctx, addr)
			if err != nil {
				select {}
			}
			return c, nil
		}
	}), withStreamTimeout},
	{of("Stream/Listener"), "closes its door when a connection breaks", overTCP(func(d *double) {
		var l atomic.Pointer[doubleListener]
		d.door = func(opened *doubleListener) { l.Store(opened) }
		d.each(func(c *doubleConn) {
			c.recv = func(ctx context.Context) ([]byte, error) {
				msg, err := c.Conn.Recv(ctx)
				if err != nil && !c.dialed {
					l.Load().Listener.Close()
				}
				return msg, err
			}
		})
	}), withStreamTimeout},
	{of("Stream/Listener"), "ends all connections when one breaks", overTCP(func(d *double) {
		var broke atomic.Bool
		d.each(func(c *doubleConn) {
			c.recv = func(ctx context.Context) ([]byte, error) {
				msg, err := c.Conn.Recv(ctx)
				if err != nil {
					broke.Store(true)
				} else if broke.Load() {
					return nil, &core.CloseError{Code: core.CodeInternal}
				}
				return msg, err
			}
		})
	}), withStreamTimeout},
	{of("Leak/Broken"), "leaves a goroutine behind with each Conn that broke", leakingWhenLost(leakGoroutine), withStreamTimeout},
	{of("Leak/Broken"), "leaves a file open with each Conn that broke", leakingWhenLost(leakFile), withStreamTimeout},
}

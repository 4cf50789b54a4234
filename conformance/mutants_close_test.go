package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// onEnd makes a mutant of the error with which Recv ends.
func onEnd(end func(c *core.CloseError) error) func(testing.TB) core.Transport {
	return onRecv(func(c *doubleConn, ctx context.Context) ([]byte, error) {
		msg, err := c.Conn.Recv(ctx)
		var closed *core.CloseError
		if errors.As(err, &closed) {
			copied := *closed
			err = end(&copied)
		}
		return msg, err
	})
}

// onClose makes a mutant of Close.
func onClose(end func(c *doubleConn, code core.Code, reason string) error) func(testing.TB) core.Transport {
	return onConn(func(c *doubleConn) {
		c.close = func(code core.Code, reason string) error { return end(c, code, reason) }
	})
}

var closeMutants = []mutant{
	{of("Close/Flush", "Close/WhileSending"), "forgets in Close what waits to be sent", onConn(func(c *doubleConn) {
		var mu sync.Mutex
		var batch [][]byte // passed on when there are 64
		c.send = func(d core.Delivery, msg []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if batch = append(batch, bytes.Clone(msg)); len(batch) < 64 {
				return nil
			}
			for _, msg := range batch {
				if err := c.Conn.Send(d, msg); err != nil {
					return err
				}
			}
			batch = nil
			return nil
		}
	}), nil},
	{of("Close/Drain"), "throws away what arrived when the peer closes", broken(func(d *double) {
		var closed atomic.Bool // on a Transport with one connection
		d.each(func(c *doubleConn) {
			c.close = func(code core.Code, reason string) error {
				closed.Store(true)
				return c.Conn.Close(code, reason)
			}
			c.recv = func(ctx context.Context) ([]byte, error) {
				if closed.Load() {
					return nil, &core.CloseError{Remote: true}
				}
				return c.Conn.Recv(ctx)
			}
		})
	}), nil},
	{of("Close/SameForEver"), "returns io.EOF once it has said why the connection ended", onConn(func(c *doubleConn) {
		c.recv = func(ctx context.Context) ([]byte, error) {
			msg, err := c.Conn.Recv(ctx)
			if errors.Is(err, core.ErrClosed) && c.calls.Add(1) > 1 {
				return nil, io.EOF
			}
			return msg, err
		}
	}), nil},
	{of("Close/SameForEver"), "returns the context's error after the end", onRecv(func(c *doubleConn, ctx context.Context) ([]byte, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return c.Conn.Recv(ctx)
	}), nil},
	{of("Close/SameForEver"), "takes its own later Close for the reason of the end", onConn(func(c *doubleConn) {
		var closed atomic.Pointer[core.CloseError]
		c.close = func(code core.Code, reason string) error {
			closed.CompareAndSwap(nil, &core.CloseError{Code: code, Reason: reason})
			return c.Conn.Close(code, reason)
		}
		c.recv = func(ctx context.Context) ([]byte, error) {
			msg, err := c.Conn.Recv(ctx)
			if mine := closed.Load(); mine != nil && errors.Is(err, core.ErrClosed) {
				return nil, mine
			}
			return msg, err
		}
	}), nil},
	{of("Close/CodeAndReason", "Wrap/Netsim"), "does not tell the peer the code", onClose(func(c *doubleConn, _ core.Code, reason string) error {
		return c.Conn.Close(core.CodeNormal, reason)
	}), nil},
	{of("Close/CodeAndReason"), "does not say that it was the peer", onEnd(func(c *core.CloseError) error {
		c.Remote = false
		return c
	}), nil},
	{of("Close/CodeAndReason"), "ends Recv with an error of its own", onEnd(func(*core.CloseError) error { return io.EOF }), nil},
	{of("Close/ReasonIsCut"), "cuts a reason inside a character", onClose(func(c *doubleConn, code core.Code, reason string) error {
		return c.Conn.Close(code, reason[:min(len(reason), core.MaxReason)])
	}), nil},
	{of("Close/ReasonIsCut"), "forgets a reason that is too long", onClose(func(c *doubleConn, code core.Code, reason string) error {
		if len(reason) > core.MaxReason {
			reason = ""
		}
		return c.Conn.Close(code, reason)
	}), nil},
	{of("Close/FirstCounts"), "returns an error from the second Close", onClose(func(c *doubleConn, code core.Code, reason string) error {
		if c.calls.Add(1) > 1 {
			return core.ErrClosed
		}
		return c.Conn.Close(code, reason)
	}), nil},
	{of("Close/FirstCounts", "Close/FromMany"), "panics in the second Close", onConn(func(c *doubleConn) {
		done := make(chan struct{})
		c.close = func(code core.Code, reason string) error {
			close(done)
			return c.Conn.Close(code, reason)
		}
	}), nil},
	{of("Close/FirstCounts"), "lets the last code count", onConn(func(c *doubleConn) {
		var last atomic.Pointer[core.CloseError]
		c.close = func(code core.Code, reason string) error {
			last.Store(&core.CloseError{Code: code, Reason: reason})
			time.Sleep(time.Millisecond)
			return c.Conn.Close(code, reason)
		}
		c.recv = func(ctx context.Context) ([]byte, error) {
			msg, err := c.Conn.Recv(ctx)
			time.Sleep(20 * time.Millisecond)
			if mine := last.Load(); mine != nil && errors.Is(err, core.ErrClosed) {
				return nil, mine
			}
			return msg, err
		}
	}), nil},
	{of("Close/UnblocksRecv"), "leaves Recv waiting when it is closed", onRecv(func(c *doubleConn, ctx context.Context) ([]byte, error) {
		msg, err := c.Conn.Recv(ctx)
		var closed *core.CloseError
		if errors.As(err, &closed) && !closed.Remote {
			<-ctx.Done()
		}
		return msg, err
	}), nil},
	{of("Close/Returns"), "waits in Close until the peer has read everything", onClose(func(c *doubleConn, code core.Code, reason string) error {
		for start := time.Now(); c.Conn.Stats().Queued > 0 && time.Since(start) < 20*time.Second; {
			time.Sleep(time.Millisecond)
		}
		return c.Conn.Close(code, reason)
	}), nil},
	{of("Close/Simultaneous", "Close/FromMany"), "hangs when two close at the same time", broken(func(d *double) {
		var closing atomic.Int64
		d.each(func(c *doubleConn) {
			c.close = func(code core.Code, reason string) error {
				defer closing.Add(-1)
				if closing.Add(1) > 1 {
					time.Sleep(5 * time.Second)
				}
				time.Sleep(2 * time.Millisecond)
				return c.Conn.Close(code, reason)
			}
		})
	}), nil},
	{of("Close/WhileSending"), "never tells a sender that the Conn was closed", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if err := c.Conn.Send(d, msg); !errors.Is(err, core.ErrClosed) {
			return err
		}
		return core.ErrBackpressure
	}), nil},
	{of("Close/NotByItself"), "takes a peer with nothing to say for silent", onConn(func(c *doubleConn) {
		timer := time.AfterFunc(100*time.Millisecond, func() { c.Conn.Close(core.CodeTimeout, "") })
		c.send = func(d core.Delivery, msg []byte) error {
			timer.Reset(100 * time.Millisecond)
			return c.Conn.Send(d, msg)
		}
	}), nil},
}

// dropper gives the inner Conn's Drop to a mutant.
func dropper(drop func(c *doubleConn, inner core.Dropper, code core.Code, reason string)) func(c *doubleConn) {
	return func(c *doubleConn) {
		inner, _ := core.As[core.Dropper](c.Conn)
		c.drop = func(code core.Code, reason string) { drop(c, inner, code, reason) }
	}
}

var abilityMutants = []mutant{
	{of("Drop/AtOnce"), "lingers in Drop", onConn(dropper(func(c *doubleConn, inner core.Dropper, code core.Code, reason string) {
		time.Sleep(core.DefaultLinger)
		inner.Drop(code, reason)
	})), nil},
	{of("Drop/AtOnce"), "takes Drop for an order of the peer", onConn(dropper(func(c *doubleConn, inner core.Dropper, code core.Code, reason string) {
		inner.Drop(core.CodeNormal, reason)
	})), nil},
	{of("Drop/PeerEnds"), "forgets the peer in Drop", onConn(func(c *doubleConn) {
		dropped := make(chan *core.CloseError, 1)
		c.drop = func(code core.Code, reason string) { dropped <- &core.CloseError{Code: code, Reason: reason} }
		c.recv = func(ctx context.Context) ([]byte, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			got := make(chan error, 1)
			var msg []byte
			go func() {
				var err error
				msg, err = c.Conn.Recv(ctx)
				got <- err
			}()
			select {
			case err := <-got:
				return msg, err
			case err := <-dropped:
				cancel()
				<-got
				return nil, err
			}
		}
	}), nil},
	{of("Wrap/Drop"), "unwraps to a Conn that is none of its own", onConn(func(c *doubleConn) { c.inside = nobody() }), nil},
	{of("Wrap/Abilities"), "has a Flush that fails", onConn(func(c *doubleConn) {
		c.flush = func() error { return errors.New("nothing to flush") }
	}), nil},
	{of("Wrap/Abilities"), "loses in Flush what was queued", onConn(func(c *doubleConn) {
		var queue [][]byte
		c.send = func(d core.Delivery, msg []byte) error { queue = append(queue, msg); return nil }
		c.flush = func() error { queue = nil; return nil }
	}), nil},
}

var statsMutants = []mutant{
	{of("Stats/Monotone"), "sets the counters back when it is closed", onConn(func(c *doubleConn) {
		c.stats = func() core.Stats {
			if c.Conn.Send(core.Unreliable, nil) != nil {
				return core.Stats{}
			}
			return c.Conn.Stats()
		}
	}), nil},
	{of("Stats/Monotone"), "counts in eight bits", onConn(func(c *doubleConn) {
		c.stats = func() core.Stats {
			s := c.Conn.Stats()
			s.BytesSent &= 0xff
			return s
		}
	}), nil},
	{of("Stats/Count"), "counts its headers as bytes of messages", onConn(func(c *doubleConn) {
		c.stats = func() core.Stats {
			s := c.Conn.Stats()
			s.BytesSent += 4 * s.MessagesSent
			return s
		}
	}), nil},
	{of("Stats/Count"), "counts what it sends as received too", onConn(func(c *doubleConn) {
		c.stats = func() core.Stats {
			s := c.Conn.Stats()
			s.MessagesRecv += s.MessagesSent
			return s
		}
	}), nil},
	{of("Stats/Queued"), "never takes off Queued what has left", onConn(func(c *doubleConn) {
		c.stats = func() core.Stats {
			s := c.Conn.Stats()
			s.Queued = int(s.BytesSent)
			return s
		}
	}), nil},
}

package conformance

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// onConn makes a mutant of Conns.
func onConn(breaks func(c *doubleConn)) func(testing.TB) core.Transport {
	return broken(func(d *double) { d.each(breaks) })
}

// onSend makes a mutant of Send.
func onSend(send func(c *doubleConn, d core.Delivery, msg []byte) error) func(testing.TB) core.Transport {
	return onConn(func(c *doubleConn) {
		c.send = func(d core.Delivery, msg []byte) error { return send(c, d, msg) }
	})
}

// bottomless is a Transport without bounds.
func bottomless(testing.TB) core.Transport {
	return &mem.Transport{QueueBytes: 1 << 40, QueueMessages: 1 << 40}
}

var sendMutants = []mutant{
	{of("Send/BufferIsCallers"), "keeps the caller's bytes instead of a copy", onConn(func(c *doubleConn) {
		var kept []byte // passed on at the next Send
		c.send = func(d core.Delivery, msg []byte) error {
			last := kept
			if kept = msg; last == nil {
				return nil
			}
			return c.Conn.Send(d, last)
		}
	}), nil},
	{of("Send/LeavesBuffer"), "masks the caller's bytes in place", onConn(func(c *doubleConn) {
		mask := func(b []byte) {
			for i := range b {
				b[i] ^= 0x55
			}
		}
		c.send = func(d core.Delivery, msg []byte) error {
			mask(msg)
			return c.Conn.Send(d, msg)
		}
		c.recv = func(ctx context.Context) ([]byte, error) {
			msg, err := c.Conn.Recv(ctx)
			mask(msg)
			return msg, err
		}
	}), nil},
	{of("Send/Backpressure"), "queues Reliable messages without a bound", bottomless, nil},
	{of("Send/Backpressure"), "waits in Send until the peer reads", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		for {
			err := c.Conn.Send(d, msg)
			if !errors.Is(err, core.ErrBackpressure) {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}), nil},
	{of("Send/Backpressure", "Send/RefusedNeverArrives"), "swallows the error when the queue is full", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if err := c.Conn.Send(d, msg); !errors.Is(err, core.ErrBackpressure) {
			return err
		}
		return nil
	}), nil},
	{of("Send/RefusedNeverArrives"), "sends later what it has refused", onConn(func(c *doubleConn) {
		var mu sync.Mutex
		var refused [][]byte
		c.send = func(d core.Delivery, msg []byte) error {
			mu.Lock()
			defer mu.Unlock()
			for len(refused) > 0 && c.Conn.Send(core.Reliable, refused[0]) == nil {
				refused = refused[1:]
			}
			err := c.Conn.Send(d, msg)
			if errors.Is(err, core.ErrBackpressure) {
				refused = append(refused, bytes.Clone(msg))
			}
			return err
		}
	}), nil},
	{of("Send/UnreliableFlood"), "queues Unreliable messages without a bound", bottomless, func(h *Transport) { h.Timeout = 4 * time.Second }},
	{of("Send/UnreliableFlood"), "returns an error for Unreliable messages that it drops", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		err := c.Conn.Send(d, msg)
		if err == nil && c.Conn.Stats().Dropped > 0 {
			return core.ErrBackpressure
		}
		return err
	}), func(h *Transport) { h.Timeout = 4 * time.Second }},
	{of("Send/UnreliableRecovers"), "sends nothing Unreliable any more once it has dropped some", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if d == core.Unreliable && c.Conn.Stats().Dropped > 0 {
			return nil
		}
		return c.Conn.Send(d, msg)
	}), func(h *Transport) { h.Timeout = 4 * time.Second }},
	{of("Send/AfterClose"), "swallows the error of Send on a closed Conn", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if err := c.Conn.Send(d, msg); !errors.Is(err, core.ErrClosed) {
			return err
		}
		return nil
	}), nil},
	{of("Send/AfterClose"), "has an error of its own for Send on a closed Conn", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if err := c.Conn.Send(d, msg); !errors.Is(err, core.ErrClosed) {
			return err
		}
		return errors.New("use of closed connection")
	}), nil},
}

// onRecv makes a mutant of Recv.
func onRecv(recv func(c *doubleConn, ctx context.Context) ([]byte, error)) func(testing.TB) core.Transport {
	return onConn(func(c *doubleConn) {
		c.recv = func(ctx context.Context) ([]byte, error) { return recv(c, ctx) }
	})
}

var recvMutants = []mutant{
	{of("Recv/Context"), "receives on though its context has ended", onRecv(func(c *doubleConn, ctx context.Context) ([]byte, error) {
		return c.Conn.Recv(context.WithoutCancel(ctx))
	}), nil},
	{of("Recv/Context"), "ends the connection when Recv's context ends", onRecv(func(c *doubleConn, ctx context.Context) ([]byte, error) {
		msg, err := c.Conn.Recv(ctx)
		if ctx.Err() != nil {
			c.Conn.Close(core.CodeInternal, "interrupted")
		}
		return msg, err
	}), nil},
	{of("Recv/LosesNothing"), "loses a message that comes as Recv's context ends", onRecv(func(c *doubleConn, ctx context.Context) ([]byte, error) {
		msg, err := c.Conn.Recv(ctx)
		if err == nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return msg, err
	}), nil},
	{of("Recv/BufferStays"), "overwrites what Recv returned in another call", onConn(func(c *doubleConn) {
		var held []byte
		c.recv = func(ctx context.Context) (msg []byte, err error) {
			msg, err = c.Conn.Recv(ctx)
			held = msg
			return msg, err
		}
		c.maxSize = func(d core.Delivery) int {
			clear(held)
			return c.Conn.MaxSize(d)
		}
	}), nil},
	{of("Recv/BufferIsCallers"), "keeps one copy of equal messages", broken(func(d *double) {
		var mu sync.Mutex
		known := make(map[string][]byte)
		d.each(func(c *doubleConn) {
			c.recv = func(ctx context.Context) ([]byte, error) {
				msg, err := c.Conn.Recv(ctx)
				if err != nil {
					return nil, err
				}
				mu.Lock()
				defer mu.Unlock()
				if known[string(msg)] == nil {
					known[string(msg)] = bytes.Clone(msg)
				}
				return known[string(msg)], nil
			}
		})
	}), nil},
}

var sizeMutants = []mutant{
	{of("Size/Floors"), "takes Unreliable messages of 500 bytes at most", func(testing.TB) core.Transport {
		return &mem.Transport{MaxUnreliable: 500}
	}, nil},
	{of("Size/Floors"), "takes Reliable messages of 64 KiB at most", func(testing.TB) core.Transport {
		return &mem.Transport{MaxReliable: 64 << 10}
	}, nil},
	{of("Size/AfterClose"), "has no MaxSize after Close", onConn(func(c *doubleConn) {
		c.maxSize = func(d core.Delivery) int {
			if c.Conn.Send(core.Unreliable, nil) != nil {
				return 0
			}
			return c.Conn.MaxSize(d)
		}
	}), nil},
	{of("Size/Reliable"), "loses empty messages", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if len(msg) == 0 {
			return nil
		}
		return c.Conn.Send(d, msg)
	}), nil},
	{of("Size/Reliable"), "cuts messages to 64 KiB without a word", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		return c.Conn.Send(d, msg[:min(len(msg), 64<<10-1)])
	}), nil},
	{of("Size/Reliable"), "merges two short messages", onConn(func(c *doubleConn) {
		var last []byte
		c.send = func(d core.Delivery, msg []byte) error {
			if len(msg) == 1 && last == nil {
				last = bytes.Clone(msg)
				return nil
			}
			msg, last = append(last, msg...), nil
			return c.Conn.Send(d, msg)
		}
	}), nil},
	{of("Size/Unreliable"), "loses Unreliable messages of more than 1,000 bytes", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if d == core.Unreliable && len(msg) > 1000 {
			return nil
		}
		return c.Conn.Send(d, msg)
	}), nil},
	{of("Size/TooLarge", "Size/TooLargeSendsNothing"), "takes too large messages and cuts them", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		return c.Conn.Send(d, msg[:min(len(msg), c.Conn.MaxSize(d))])
	}), nil},
	{of("Size/TooLarge"), "does not say how large is too large", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		if err := c.Conn.Send(d, msg); !errors.Is(err, core.ErrTooLarge) {
			return err
		}
		return core.ErrTooLarge
	}), nil},
	{of("Size/TooLargeSendsNothing"), "sends the beginning of what it refuses", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		err := c.Conn.Send(d, msg)
		if errors.Is(err, core.ErrTooLarge) {
			c.Conn.Send(d, msg[:100])
		}
		return err
	}), nil},
	{of("Size/TooLargeSendsNothing"), "ends the connection over a message that is too large", onSend(func(c *doubleConn, d core.Delivery, msg []byte) error {
		err := c.Conn.Send(d, msg)
		if errors.Is(err, core.ErrTooLarge) {
			c.Conn.Close(core.CodeInternal, "too large")
		}
		return err
	}), nil},
}

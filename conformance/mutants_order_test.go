package conformance

import (
	"bytes"
	"context"
	"runtime"
	"sync"

	"github.com/parley-net/parley/core"
)

// onNth makes a mutant of the Send of each nth message of a delivery.
func onNth(n int64, d core.Delivery, send func(c *doubleConn, msg []byte) error) func(c *doubleConn) {
	return func(c *doubleConn) {
		c.send = func(asked core.Delivery, msg []byte) error {
			if asked == d && c.calls.Add(1)%n == 0 {
				return send(c, msg)
			}
			return c.Conn.Send(asked, msg)
		}
	}
}

var orderMutants = []mutant{
	{of("Order/Reliable"), "loses one Reliable message in a thousand", onConn(onNth(1000, core.Reliable, func(*doubleConn, []byte) error {
		return nil
	})), nil},
	{of("Order/Reliable"), "sends one Reliable message in a thousand twice", onConn(onNth(1000, core.Reliable, func(c *doubleConn, msg []byte) error {
		c.Conn.Send(core.Reliable, msg)
		return c.Conn.Send(core.Reliable, msg)
	})), nil},
	{of("Order/Reliable"), "swaps two Reliable messages now and then", onConn(func(c *doubleConn) {
		var late []byte
		c.send = func(d core.Delivery, msg []byte) error {
			if d == core.Reliable && c.calls.Add(1)%1000 == 500 {
				late = bytes.Clone(msg)
				return nil
			}
			err := c.Conn.Send(d, msg)
			if late != nil && err == nil {
				err = c.Conn.Send(d, late)
				late = nil
			}
			return err
		}
	}), nil},
	{of("Order/Sizes"), "lets small messages overtake large ones", onConn(func(c *doubleConn) {
		var large []byte
		c.send = func(d core.Delivery, msg []byte) error {
			if len(msg) > 10000 && large == nil {
				large = bytes.Clone(msg)
				return nil
			}
			err := c.Conn.Send(d, msg)
			if large != nil && err == nil {
				err = c.Conn.Send(d, large)
				large = nil
			}
			return err
		}
	}), nil},
	{of("Order/Equal"), "takes a message that equals the last one for a copy", onConn(func(c *doubleConn) {
		var last []byte
		c.recv = func(ctx context.Context) ([]byte, error) {
			for {
				msg, err := c.Conn.Recv(ctx)
				if err != nil || !bytes.Equal(last, msg) {
					last = bytes.Clone(msg)
					return msg, err
				}
			}
		}
	}), nil},
	{of("Order/Senders"), "loses messages of goroutines that send at the same time", onConn(func(c *doubleConn) {
		var busy sync.Mutex
		c.send = func(d core.Delivery, msg []byte) error {
			if !busy.TryLock() {
				return nil
			}
			defer busy.Unlock()
			for range 10 {
				runtime.Gosched()
			}
			return c.Conn.Send(d, msg)
		}
	}), nil},
	{of("Order/Mixed"), "loses now and then a Reliable message that follows an Unreliable one", onConn(func(c *doubleConn) {
		loose := false
		c.send = func(d core.Delivery, msg []byte) error {
			lost := loose && d == core.Reliable && c.calls.Add(1)%100 == 0
			if loose = d == core.Unreliable; lost {
				return nil
			}
			return c.Conn.Send(d, msg)
		}
	}), nil},
	{of("Order/Unreliable"), "sends one Unreliable message in a hundred twice", onConn(onNth(100, core.Unreliable, func(c *doubleConn, msg []byte) error {
		c.Conn.Send(core.Unreliable, msg)
		return c.Conn.Send(core.Unreliable, msg)
	})), nil},
	{of("Order/Unreliable"), "alters one Unreliable message in a hundred", onConn(onNth(100, core.Unreliable, func(c *doubleConn, msg []byte) error {
		msg = bytes.Clone(msg)
		msg[len(msg)-1] ^= 1
		return c.Conn.Send(core.Unreliable, msg)
	})), nil},
	{of("Order/Unreliable"), "merges two Unreliable messages now and then", onConn(onNth(100, core.Unreliable, func(c *doubleConn, msg []byte) error {
		half := msg[:len(msg)/2]
		return c.Conn.Send(core.Unreliable, append(bytes.Clone(half), half...))
	})), nil},
	{of("Order/Unreliable"), "cuts one Unreliable message in a hundred", onConn(onNth(100, core.Unreliable, func(c *doubleConn, msg []byte) error {
		return c.Conn.Send(core.Unreliable, msg[:len(msg)-1])
	})), nil},
}

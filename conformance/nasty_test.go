package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// nasty is a Transport that does whatever the contract allows and nobody expects: it
// is slow, delivers in batches, loses and reorders Unreliable messages, takes as little
// as it may, accepts late, changes its addresses, knows no statistics, and overwrites what
// Recv returned at the next Recv.
func nasty(seed uint64) core.Transport {
	d := doubleOf(&mem.Transport{Backlog: -1, QueueMessages: 40, MaxUnreliable: core.MinUnreliableSize, MaxReliable: core.MinReliableSize})
	dial := d.dial
	d.dial = func(ctx context.Context, addr string) (core.Conn, error) {
		time.Sleep(500 * time.Microsecond)
		return dial(ctx, addr)
	}
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 0))
	chance := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n) == 0
	}
	return d.each(func(c *doubleConn) {
		c.spoilSend(chance)
		c.spoilRecv(chance)
		c.remote = func() net.Addr { return someAddr(fmt.Sprintf("peer:%d", c.calls.Add(1))) }
		c.stats = func() core.Stats { return core.Stats{} }
	})
}

// spoilSend loses Unreliable messages and lets them overtake each other.
func (c *doubleConn) spoilSend(chance func(n int) bool) {
	var mu sync.Mutex
	var back []byte // held back
	c.send = func(d core.Delivery, msg []byte) error {
		if d != core.Unreliable || c.over.Load() || len(msg) > c.Conn.MaxSize(d) {
			return c.Conn.Send(d, msg)
		}
		mu.Lock()
		defer mu.Unlock()
		if chance(4) {
			return nil
		}
		if back == nil && chance(3) {
			back = append(make([]byte, 0, len(msg)), msg...)
			return nil
		}
		err := c.Conn.Send(d, msg)
		if back != nil && err == nil && chance(2) {
			err = c.Conn.Send(d, back)
			back = nil
		}
		return err
	}
	c.close = func(code core.Code, reason string) error {
		c.over.Store(true)
		return c.Conn.Close(code, reason)
	}
}

// spoilRecv makes Recv late, and its bytes short-lived.
func (c *doubleConn) spoilRecv(chance func(n int) bool) {
	var held []byte
	c.recv = func(ctx context.Context) ([]byte, error) {
		for i := range held {
			held[i] = 0xDD
		}
		held = nil
		if chance(50) {
			time.Sleep(2 * time.Millisecond) // and then a batch
		}
		msg, err := c.Conn.Recv(ctx)
		if err != nil {
			if errors.Is(err, core.ErrClosed) {
				c.over.Store(true)
			}
			return nil, fmt.Errorf("receiving from a nasty peer: %w", err)
		}
		held = bytes.Clone(msg)
		return held, nil
	}
}

var overNasty = Transport{
	New:     func(testing.TB) core.Transport { return nasty(1) },
	Timeout: 100 * time.Millisecond,
}

// TestNasty holds that no law asks more than the contract.
func TestNasty(t *testing.T) { testInMemory(t, overNasty) }

package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/parley-net/parley/core"
)

var sendLaws = []law[Transport]{
	{"Send/BufferIsCallers",
		"The bytes given to Send are the caller's again when it returns: changing them does not change what arrives.",
		sendBufferIsCallers},
	{"Send/LeavesBuffer",
		"Send does not change the bytes that it is given.",
		sendLeavesBuffer},
	{"Send/Backpressure",
		"While the peer does not read, Send of Reliable messages returns at once, and with core.ErrBackpressure before 64 MiB wait.",
		sendBackpressure},
	{"Send/RefusedNeverArrives",
		"A Reliable message refused with core.ErrBackpressure never arrives, and all that were accepted arrive once the peer reads.",
		sendRefusedNeverArrives},
	{"Send/UnreliableFlood",
		"While the peer does not read, Send of Unreliable messages returns at once without an error, and memory stays bounded.",
		sendUnreliableFlood},
	{"Send/UnreliableRecovers",
		"After a flood of Unreliable messages new ones arrive again, and of the flood nothing twice or altered.",
		sendUnreliableRecovers},
	{"Send/AfterClose",
		"Send on a Conn that has ended, by either side, returns its *core.CloseError.",
		sendAfterClose},
}

var recvLaws = []law[Transport]{
	{"Recv/Context",
		"Recv returns the context's error when its context ends, and can be called again.",
		recvContext},
	{"Recv/LosesNothing",
		"A Recv whose context ends loses no message.",
		recvLosesNothing},
	{"Recv/BufferStays",
		"What Recv returned stays as it is until the next Recv, whatever arrives and whatever else is called.",
		recvBufferStays},
	{"Recv/BufferIsCallers",
		"What Recv returned is the caller's to change: no other message changes with it, here or on other Conns.",
		recvBufferIsCallers},
}

func sendBufferIsCallers(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		const n = 50
		for _, size := range []int{headSize, 100, 3000} {
			var g group
			g.do(func() error {
				buf := make([]byte, size)
				for id := range n {
					copy(buf, message(id, size))
					if err := e.post(from, core.Reliable, buf); err != nil {
						return err
					}
					clear(buf)
				}
				return nil
			})
			if err := to.expectAll(0, n); err != nil {
				return fmt.Errorf("messages of %d bytes, in a buffer that was changed after each Send: %w", size, err)
			}
			if err := g.wait(e, "Send"); err != nil {
				return err
			}
		}
		return nil
	})
}

func sendLeavesBuffer(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		for id, size := range []int{headSize, 100, 1000} {
			for _, d := range []core.Delivery{core.Reliable, core.Unreliable} {
				buf := bytes.Repeat([]byte{0xA5}, size+64) // with room behind the message
				msg := buf[32 : 32+size]
				copy(msg, message(id, size))
				want := bytes.Clone(buf)
				if err := e.post(from, d, msg); err != nil {
					return err
				}
				if !bytes.Equal(buf, want) {
					return fmt.Errorf("Send of %d %s bytes changed the caller's memory", size, d)
				}
			}
		}
		return nil
	})
}

// stuffing is the size of the messages that fill a queue, and most is when it must be
// full.
const (
	stuffing = 16 << 10
	most     = 64 << 20
)

var errNeverFull = fmt.Errorf("Send accepted %d bytes for a peer that does not read; core.ErrBackpressure never came", most)

// stuff sends numbered Reliable messages, which nobody reads, until one is refused. It
// returns the numbers of those that were accepted and the next free number.
func (e *env) stuff(c core.Conn, first int) (accepted []int, next int, err error) {
	size := min(stuffing, c.MaxSize(core.Reliable))
	for next = first; (next-first)*size < most; next++ {
		start := time.Now()
		switch err := c.Send(core.Reliable, message(next, size)); {
		case errors.Is(err, core.ErrBackpressure):
			return accepted, next + 1, nil
		case err != nil:
			return nil, 0, fmt.Errorf("Send to a peer that does not read, with %d bytes on their way: %w", (next-first)*size, err)
		case time.Since(start) > e.wait/2:
			return nil, 0, fmt.Errorf("Send blocked for %v, with %d bytes on their way to a peer that does not read", time.Since(start), (next-first)*size)
		}
		accepted = append(accepted, next)
	}
	return nil, 0, errNeverFull
}

func (e *env) stuffSoon(c core.Conn, first int) (accepted []int, next int, err error) {
	type result struct {
		accepted []int
		next     int
	}
	got, err := within(e, "Send to a peer that does not read", func() (got result, err error) {
		got.accepted, got.next, err = e.stuff(c, first)
		return got, err
	})
	return got.accepted, got.next, err
}

func sendBackpressure(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		_, _, err := e.stuffSoon(one, 0)
		r.read(other)
		return err
	})
}

func sendRefusedNeverArrives(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		var accepted []int
		next := 0
		for range 3 { // a refused message of another size may fit in the end
			more, n, err := e.stuffSoon(one, next)
			if err != nil {
				return err
			}
			accepted, next = append(accepted, more...), n
			time.Sleep(5 * time.Millisecond)
		}
		to := r.read(other)
		for _, id := range accepted {
			if err := to.expect(id); err != nil {
				return fmt.Errorf("once the peer reads, of %d accepted messages and some refused: %w", len(accepted), err)
			}
		}
		if err := e.post(one, core.Reliable, message(next, 10)); err != nil {
			return fmt.Errorf("after the peer has read everything: %w", err)
		}
		return to.expect(next)
	})
}

// flood sends numbered Unreliable messages for a peer that does not read: more than may
// ever wait. It stops before an adapter may take the peer for silent.
func (e *env) flood(c core.Conn, timeout time.Duration) (sent int, err error) {
	size, enough := min(1024, c.MaxSize(core.Unreliable)), 2*most
	if e.virtual { // no time passes, and no more is needed
		enough = most / 8
	}
	stop := time.Now().Add(min(timeout/2, 3*time.Second))
	for ; sent*size < enough && time.Now().Before(stop); sent++ {
		start := time.Now()
		if err := c.Send(core.Unreliable, message(sent, size)); err != nil {
			return 0, fmt.Errorf("Send of Unreliable message %d to a peer that does not read: %w", sent, err)
		}
		if took := time.Since(start); took > e.wait/2 {
			return 0, fmt.Errorf("Send of Unreliable message %d to a peer that does not read blocked for %v", sent, took)
		}
	}
	return sent, nil
}

func (e *env) floodSoon(c core.Conn, timeout time.Duration) (int, error) {
	return withinExtra(e, timeout, "Send of Unreliable messages to a peer that does not read", func() (int, error) { return e.flood(c, timeout) })
}

// heap returns the bytes of live memory.
func heap() int {
	runtime.GC()
	runtime.GC() // the first may leave what has finalizers and what is pooled
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func sendUnreliableFlood(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		before := heap()
		sent, err := e.floodSoon(one, h.Timeout)
		if err != nil {
			return err
		}
		if grown := heap() - before; grown > most/4 {
			return fmt.Errorf("%d Unreliable messages to a peer that does not read hold %d MiB of memory", sent, grown>>20)
		}
		r.read(other)
		return nil
	})
}

func sendUnreliableRecovers(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		from := r.read(one)
		sent, err := e.floodSoon(one, h.Timeout)
		if err != nil {
			return err
		}
		to := r.read(other)
		seen := make(map[int]bool)
		return e.untilOne(from, to, sent, 200, func(msg []byte) error {
			id, err := number(msg)
			if err != nil {
				return err
			}
			if id >= sent || seen[id] {
				return fmt.Errorf("Unreliable message %d of a flood arrived twice, or was never sent", id)
			}
			seen[id] = true
			return nil
		})
	})
}

func sendAfterClose(e *env, h Transport) error {
	return h.eachEnd(e, func(r *room, one, other core.Conn) error {
		a, b := r.read(one), r.read(other)
		one.Close(core.CodeApp, "over")
		for _, p := range []*peer{a, b} {
			end, err := p.ended(0)
			if err != nil {
				return err
			}
			for _, d := range []core.Delivery{core.Reliable, core.Unreliable} {
				for range 2 {
					got, err := closeError("Send after the end", p.Send(d, []byte("late")))
					if err != nil {
						return err
					}
					if err := sameEnd(end, got); err != nil {
						return fmt.Errorf("Recv and Send differ: %w", err)
					}
				}
			}
		}
		return nil
	})
}

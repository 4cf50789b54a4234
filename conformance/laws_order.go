package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/core"
)

var orderLaws = []law[Transport]{
	{"Order/Reliable",
		"Reliable messages arrive once each, whole, in the order of Send: ten thousand of them, both ways at once.",
		orderReliable},
	{"Order/Sizes",
		"Small and large Reliable messages, mixed, keep their order and their borders.",
		orderSizes},
	{"Order/Equal",
		"Equal Reliable messages are as many when they arrive as when they were sent.",
		orderEqual},
	{"Order/Senders",
		"Reliable messages that several goroutines send on one Conn arrive once each, and those of each goroutine in its order.",
		orderSenders},
	{"Order/Mixed",
		"Unreliable messages between Reliable ones take nothing from their order.",
		orderMixed},
	{"Order/Unreliable",
		"Unreliable messages are never doubled, truncated, altered, merged or split.",
		orderUnreliable},
}

func orderReliable(e *env, h Transport) error {
	const n = 10000
	r, err := h.open(e)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	var g group
	g.do(func() error { return e.carry(d, a, 0, n, 32) })
	g.do(func() error { return e.carry(a, d, 0, n, 32) })
	_, err = withinExtra(e, 30*time.Second, "a stream of Reliable messages", func() (struct{}, error) {
		g.wg.Wait()
		return struct{}{}, g.first()
	})
	return err
}

func orderSizes(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		rng := rand.New(rand.NewPCG(e.seed, 1))
		largest := min(from.MaxSize(core.Reliable), core.MinReliableSize)
		var lengths []int
		for total := 0; total < 6<<20 && len(lengths) < 400; {
			n := rng.IntN(200)
			switch rng.IntN(20) {
			case 0:
				n = largest - rng.IntN(10)
			case 1, 2, 3:
				n = rng.IntN(20000)
			}
			lengths = append(lengths, max(n, headSize))
			total += n
		}
		var g group
		g.do(func() error {
			for id, size := range lengths {
				if err := e.post(from, core.Reliable, message(id, size)); err != nil {
					return err
				}
			}
			return nil
		})
		for id, size := range lengths {
			msg, err := to.next()
			if err != nil {
				return errors.Join(g.first(), fmt.Errorf("waiting for message %d, of %d bytes: %w", id, size, err))
			}
			if !bytes.Equal(msg, message(id, size)) {
				return fmt.Errorf("where message %d, of %d bytes, had to come, another of %d arrived", id, size, len(msg))
			}
		}
		return g.wait(e, "Send")
	})
}

func orderEqual(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		const n = 100
		same := message(1, 64)
		for range n {
			if err := e.post(from, core.Reliable, same); err != nil {
				return err
			}
		}
		if err := e.post(from, core.Reliable, message(2, 64)); err != nil {
			return err
		}
		for i := range n {
			if err := to.expect(1); err != nil {
				return fmt.Errorf("%d of %d equal messages: %w", i, n, err)
			}
		}
		return to.expect(2)
	})
}

func orderSenders(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		const senders, each = 8, 250
		var g group
		for s := range senders {
			g.do(func() error { return e.postAll(from, s*each, (s+1)*each, 60+s) })
		}
		var next [senders]int
		for range senders * each {
			msg, err := to.next()
			if err != nil {
				return errors.Join(g.first(), err)
			}
			id, err := number(msg)
			if err != nil {
				return err
			}
			s := id / each
			if s >= senders || id%each != next[s] {
				return fmt.Errorf("message %d of goroutine %d arrived; it had sent %d before", id%each, s, next[min(s, senders-1)])
			}
			next[s]++
		}
		return g.wait(e, "Send")
	})
}

// loose is where the numbers of Unreliable messages begin that are sent between
// Reliable ones.
const loose = 1 << 24

func orderMixed(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		const n = 1500
		var g group
		g.do(func() error {
			for id := range n {
				if err := e.post(from, core.Unreliable, message(loose+id, 50)); err != nil {
					return err
				}
				if err := e.post(from, core.Reliable, message(id, 50)); err != nil {
					return err
				}
			}
			return nil
		})
		for want := 0; want < n; {
			msg, err := to.next()
			if err != nil {
				return errors.Join(g.first(), fmt.Errorf("waiting for Reliable message %d: %w", want, err))
			}
			switch id, err := number(msg); {
			case err != nil:
				return err
			case id == want:
				want++
			case id < loose || id >= loose+n:
				return fmt.Errorf("Reliable message %d arrived, want %d", id, want)
			}
		}
		return g.wait(e, "Send")
	})
}

func orderUnreliable(e *env, h Transport) error {
	return h.bothWays(e, func(from, to *peer) error {
		const n = 3000
		limit := min(from.MaxSize(core.Unreliable), core.MinUnreliableSize)
		rng := rand.New(rand.NewPCG(e.seed, 2))
		length := make([]int, n)
		for id := range n {
			length[id] = headSize + rng.IntN(limit-headSize+1)
			if err := from.Send(core.Unreliable, message(id, length[id])); err != nil {
				return fmt.Errorf("Send of %d unreliable bytes: %w", length[id], err)
			}
			if id%32 == 0 {
				time.Sleep(200 * time.Microsecond)
			}
		}
		seen := make(map[int]bool)
		check := func(msg []byte) error {
			switch id, err := number(msg); {
			case err != nil:
				return err
			case id >= n:
				return fmt.Errorf("message %d arrived; it was never sent", id)
			case seen[id]:
				return fmt.Errorf("Unreliable message %d arrived twice", id)
			case len(msg) != length[id]:
				return fmt.Errorf("Unreliable message %d was sent with %d bytes and arrived with %d", id, length[id], len(msg))
			default:
				seen[id] = true
			}
			return nil
		}
		if err := e.untilOne(from, to, n, 20, check); err != nil {
			return err
		}
		for quiet := time.After(30 * time.Millisecond); ; { // a late second copy
			select {
			case <-to.more:
			case <-quiet:
				return nil
			}
			for msg, err, ok := to.take(); ok; msg, err, ok = to.take() {
				if err != nil {
					return err
				}
				if id, err := number(msg); err == nil && id >= n {
					continue // of untilOne
				}
				if err := check(msg); err != nil {
					return err
				}
			}
		}
	})
}

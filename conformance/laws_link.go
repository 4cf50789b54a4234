package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var linkLaws = []law[Transport]{
	{"Network/Latency",
		"At a distance of up to half a Timeout, there and back, and through a hold-up of a quarter, nothing ends and nothing Reliable is lost.",
		networkLatency},
	{"Network/RTT",
		"Stats.RTT, where it is measured, comes within 3 s to a tenth and 10 ms of the network's round trip, and follows it.",
		networkRTT},
	{"Network/Narrow",
		"Where packets of more than 576 bytes vanish, Dial fails within its context, or its Conn carries messages of the floors' sizes.",
		networkNarrow},
	{"Network/Rate",
		"Over a link of 64 KiB/s with a queue of 100 ms, Reliable messages take up at least 80 % of it.",
		networkRate},
	{"Network/Fresh",
		"Over a link that is too slow for them, the Unreliable messages that arrive, and those are many, are young: 99 of 100 at most 300 ms.",
		networkFresh},
}

func networkLatency(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	defer n.SetLink(netsim.PacketLink{})
	far := min(h.Timeout/8, 250*time.Millisecond)
	n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: far, Jitter: far}})
	d, a, err := r.link()
	if err != nil {
		return fmt.Errorf("at a distance of %v to %v, there and back: %w", 2*far, 4*far, err)
	}
	if err := e.both(d, a, 0, 20, 500); err != nil {
		return fmt.Errorf("at a distance of %v to %v, there and back: %w", 2*far, 4*far, err)
	}
	late := min(h.Timeout/4, 2*time.Second)
	until := time.Now().Add(late)
	n.SetFilter(func(netsim.Packet) netsim.Verdict { return netsim.Verdict{Delay: time.Until(until)} })
	if err := e.both(d, a, 20, 40, 500); err != nil {
		return fmt.Errorf("where packets were held up for %v: %w", late, err)
	}
	return nil
}

func networkRTT(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	defer n.SetLink(netsim.PacketLink{})
	d, a, err := r.link()
	if err != nil {
		return err
	}
	id := 0
	for _, latency := range []time.Duration{40 * time.Millisecond, 10 * time.Millisecond} {
		n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: latency}})
		limit := 3*time.Second + e.slack()
		for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			if err := errors.Join(e.carry(d, a, id, id+1, 50), e.carry(a, d, id, id+1, 50)); err != nil {
				return err
			}
			id++
			rtt := [2]time.Duration{d.Stats().RTT, a.Stats().RTT}
			if rtt == [2]time.Duration{} && id > 3 {
				return skip("the adapter does not measure Stats.RTT")
			}
			off := func(rtt time.Duration) bool {
				return rtt != 0 && (rtt-2*latency).Abs() > latency/5+10*time.Millisecond
			}
			if !off(rtt[0]) && !off(rtt[1]) {
				break
			}
			if time.Since(start) > limit {
				return fmt.Errorf("on a network with a round trip of %v, after %v, Stats.RTT is %v for the dialer and %v on the other side",
					2*latency, limit, rtt[0], rtt[1])
			}
		}
	}
	return nil
}

func networkNarrow(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	defer n.SetLink(netsim.PacketLink{})
	n.SetLink(netsim.PacketLink{MTU: 576})
	ctx, cancel := context.WithTimeout(e, e.dialDeadline())
	defer cancel()
	accepted := make(chan core.Conn, 1)
	go func() {
		if c, err := r.accept(); err == nil {
			accepted <- c
		}
		close(accepted)
	}()
	c, err := r.dial(ctx)
	if err != nil {
		err = failedDial(c, err)
		r.l.Close()
		<-accepted
		return err
	}
	d := r.read(c)
	other, ok := <-accepted
	if !ok {
		return errors.New("Dial returned a Conn whose other end nobody accepted, where packets of more than 576 bytes vanish")
	}
	a := r.read(other)
	return e.bothEnds(d, a, func(from, to *peer) error {
		if err := e.carry(from, to, 0, 1, min(core.MinReliableSize, from.MaxSize(core.Reliable))); err != nil {
			return err
		}
		return e.untilOne(from, to, 1, min(core.MinUnreliableSize, from.MaxSize(core.Unreliable)), nil)
	})
}

// slow is a link that is too slow for what is sent.
var slow = netsim.PacketLink{Link: netsim.Link{Latency: 20 * time.Millisecond, Rate: 64 << 10, Queue: 100 * time.Millisecond}}

// onSlow runs f on two connections of a slow network at once: on one from the dialer,
// on the other to it.
func (h Transport) onSlow(e *env, f func(r *room, from, to core.Conn) error) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	defer n.SetLink(netsim.PacketLink{})
	var conns [2][2]core.Conn
	for i := range conns {
		if conns[i][0], conns[i][1], err = r.pair(); err != nil {
			return err
		}
	}
	n.SetLink(slow)
	var g group
	g.do(func() error { return f(r, conns[0][0], conns[0][1]) })
	g.do(func() error { return f(r, conns[1][1], conns[1][0]) })
	_, err = withinExtra(e, 2*e.wait, "a connection over a slow link", func() (struct{}, error) {
		g.wg.Wait()
		return struct{}{}, g.first()
	})
	return err
}

func networkRate(e *env, h Transport) error {
	const warm, window, size = time.Second, 2 * time.Second, 1000
	return h.onSlow(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		to := r.read(other)
		stop := make(chan struct{})
		var g group
		g.do(func() error {
			for id := 0; ; {
				select {
				case <-stop:
					return nil
				default:
				}
				switch err := one.Send(core.Reliable, message(id, size)); {
				case err == nil:
					id++
				case errors.Is(err, core.ErrBackpressure):
					time.Sleep(time.Millisecond)
				default:
					return fmt.Errorf("Send: %w", err)
				}
			}
		})
		next := 0
		drain := func() error {
			for msg, err, ok := to.take(); ok; msg, err, ok = to.take() {
				if err != nil {
					return err
				}
				if id, err := number(msg); err != nil || id != next {
					return errors.Join(err, fmt.Errorf("message %d arrived, want %d", id, next))
				}
				next++
			}
			return nil
		}
		time.Sleep(warm)
		err := drain()
		before, start := next, time.Now()
		time.Sleep(window)
		err = errors.Join(err, drain())
		close(stop)
		got, most := float64((next-before)*size), float64(slow.Rate)*time.Since(start).Seconds()
		if err == nil && got < 0.8*most {
			err = fmt.Errorf("%.0f bytes of Reliable messages arrived in %v, over a link for %.0f: %.0f %%", got, window, most, 100*got/most)
		}
		e.logf("goodput is %.0f %% of the link", 100*got/most)
		return errors.Join(err, g.wait(e, "Send"))
	})
}

func networkFresh(e *env, h Transport) error {
	const n, size, pace, old = 200, 1000, 10 * time.Millisecond, 300 * time.Millisecond // 100 KB/s
	return h.onSlow(e, func(r *room, one, other core.Conn) error {
		r.read(one)
		var mu sync.Mutex
		sent := make([]time.Time, n)
		ages := make([]time.Duration, 0, n)
		ctx, cancel := context.WithTimeout(e, n*pace+time.Second)
		defer cancel()
		var g group
		g.do(func() error {
			for {
				msg, err := other.Recv(ctx)
				if ctx.Err() != nil {
					return nil
				}
				if err != nil {
					return err
				}
				id, err := number(msg)
				if err != nil {
					return err
				}
				mu.Lock()
				ages = append(ages, time.Since(sent[id]))
				mu.Unlock()
			}
		})
		for id := range n {
			mu.Lock()
			sent[id] = time.Now()
			mu.Unlock()
			if err := one.Send(core.Unreliable, message(id, size)); err != nil {
				return fmt.Errorf("Send: %w", err)
			}
			time.Sleep(pace)
		}
		if err := g.wait(e, "Recv"); err != nil {
			return err
		}
		slices.Sort(ages)
		if len(ages) < n/4 { // a link for two thirds of them
			return fmt.Errorf("%d of %d Unreliable messages arrived over a link for %d", len(ages), n, n*slow.Rate/(100*size))
		}
		age := ages[len(ages)*99/100]
		e.logf("%d of %d Unreliable messages arrived, the oldest were %v", len(ages), n, age)
		if age > old+e.slack()/20 {
			return fmt.Errorf("of %d Unreliable messages that arrived 1 in 100 was more than %v on its way", len(ages), age)
		}
		return nil
	})
}

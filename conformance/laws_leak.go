package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var leakLaws = []law[Transport]{
	{"Leak/Goroutines",
		"When Conns and Listeners are closed, their goroutines end.",
		leakGoroutines},
	{"Leak/Files",
		"When Conns and Listeners are closed, their sockets are.",
		leakFiles},
	{"Leak/Memory",
		"Connections that are over take no memory.",
		leakMemory},
	{"Leak/Broken",
		"When Conns that broke are closed, their goroutines end, and their sockets are closed.",
		leakBroken},
	{"Leak/FailedDials",
		"A Dial that fails or is cancelled leaves no goroutine and no socket behind.",
		leakFailedDials},
}

// cycle listens, connects, talks and closes, each side first in its turn.
func cycle(e *env, h Transport, t core.Transport, i int) error {
	r, err := h.openOn(e, t)
	if err != nil {
		return err
	}
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := errors.Join(e.carry(d, a, 0, 2, 1000), e.carry(a, d, 0, 2, 1000)); err != nil {
		return err
	}
	first, second := d, a
	if i%2 == 1 {
		first, second = a, d
	}
	first.Close(core.CodeNormal, "")
	if _, err := second.ended(0); err != nil {
		return err
	}
	second.Close(core.CodeNormal, "")
	return nil
}

// A gauge is something that must not grow.
type gauge struct {
	what string
	read func() int
}

var (
	goroutines = gauge{"goroutines", runtime.NumGoroutine}
	files      = gauge{"open files", openFiles}
)

// openFiles returns how many files the process has open, or -1 where that cannot be
// known.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

// grows runs step a number of times and reports if the gauge has grown by something for
// each second step or so when all is over. A little may grow for other reasons.
func grows(e *env, h Transport, g gauge, step func(i int) error) error {
	const warm, n = 3, 24
	var before int
	for i := range warm + n {
		if i == warm {
			before = settle(g, -1, time.Second)
		}
		if err := step(i); err != nil {
			return err
		}
	}
	after := settle(g, before+n/3, e.wait+h.Timeout)
	if after <= before+n/3 {
		return nil
	}
	err := fmt.Errorf("%d %s before, %d after %d times", before, g.what, after, n)
	if g.what == goroutines.what {
		buf := make([]byte, 16<<10)
		e.logf("%s", buf[:runtime.Stack(buf, true)])
	}
	return err
}

// settle reads the gauge until it is at most enough, or does not sink any more, for at
// most limit.
func settle(g gauge, enough int, limit time.Duration) int {
	last, same := g.read(), 0
	for start := time.Now(); last > enough && time.Since(start) < limit; {
		time.Sleep(5 * time.Millisecond)
		now := g.read()
		if now >= last && enough < 0 {
			if same++; same > 10 {
				break
			}
		} else if now < last {
			same = 0
		}
		last = now
	}
	return last
}

func leakGoroutines(e *env, h Transport) error {
	t := h.New(e.tb)
	return grows(e, h, goroutines, func(i int) error { return cycle(e, h, t, i) })
}

func leakFiles(e *env, h Transport) error {
	if openFiles() < 0 {
		return skip("this system does not tell which files are open")
	}
	t := h.New(e.tb)
	return grows(e, h, files, func(i int) error { return cycle(e, h, t, i) })
}

func leakMemory(e *env, h Transport) error {
	const n, each = 48, 24 << 10 // bytes: less than one buffer of most adapters
	t := h.New(e.tb)
	for i := range 8 {
		if err := cycle(e, h, t, i); err != nil {
			return err
		}
	}
	before := heap()
	for i := range n {
		if err := cycle(e, h, t, i); err != nil {
			return err
		}
	}
	var grown int
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if grown = heap() - before; grown < n*each {
			return nil
		}
		if time.Since(start) > e.wait/2+h.Timeout {
			runtime.KeepAlive(t) // or what it holds would count as free
			return fmt.Errorf("memory has grown by %d KiB over %d connections, all of them over", grown>>10, n)
		}
	}
}

func leakBroken(e *env, h Transport) error {
	for _, g := range []gauge{goroutines, files} {
		if g.read() < 0 {
			continue
		}
		r, err := h.through(e)
		if err != nil {
			return err
		}
		err = grows(e, h, g, func(i int) error {
			d, a, err := r.link()
			if err != nil {
				return err
			}
			if i%2 == 0 {
				r.p.Cut()
			} else {
				r.p.SetStream(netsim.BothWays, netsim.Stream{EndAfter: 1})
				d.Send(core.Reliable, message(0, 100))
				a.Send(core.Reliable, message(0, 100))
			}
			err = errors.Join(d.broken("the dialer", h.Timeout), a.broken("the listener's side", h.Timeout))
			d.Close(core.CodeNormal, "")
			a.Close(core.CodeNormal, "")
			r.p.SetStream(netsim.BothWays, netsim.Stream{})
			return err
		})
		r.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func leakFailedDials(e *env, h Transport) error {
	for _, g := range []gauge{goroutines, files} {
		if g.read() < 0 {
			continue
		}
		r, err := h.open(e)
		if err != nil {
			return err
		}
		closed, err := h.openOn(e, r.t)
		if err != nil {
			r.close()
			if h.Addr != anyPort {
				return skip("it needs two Listeners, and Addr is %q", h.Addr)
			}
			return err
		}
		nobody := address(closed.l)
		closed.close()
		ctx, stop := context.WithCancel(e)
		var accepting group
		accepting.do(func() error {
			for {
				c, err := r.l.Accept(ctx)
				if err != nil {
					return nil
				}
				accepting.do(func() error {
					for {
						if _, err := c.Recv(ctx); err != nil {
							return c.Close(core.CodeNormal, "")
						}
					}
				})
			}
		})
		err = grows(e, h, g, func(i int) error {
			dial := func(addr string, patience time.Duration) error {
				ctx, cancel := context.WithTimeout(e, patience)
				defer cancel()
				c, err := within(e, "Dial", func() (core.Conn, error) { return r.t.Dial(ctx, addr) })
				if err == nil {
					return c.Close(core.CodeNormal, "")
				}
				return nil
			}
			return errors.Join(dial(nobody, 20*time.Millisecond), dial(address(r.l), time.Duration(i)*100*time.Microsecond))
		})
		stop()
		r.close()
		if err := accepting.wait(e, "Accept or Recv"); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

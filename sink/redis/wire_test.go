package redis_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/parley-net/parley/sink/redis"
)

// wire leads connections to a store, and does to them what it is told.
type wire struct {
	server func() (net.Conn, error)

	mu    sync.Mutex
	fault *fault
}

// fault is what happens to a connection from its first script on.
type fault struct {
	up, down int           // bytes that go through before it breaks; below zero means all
	mute     bool          // answers are thrown away
	delay    time.Duration // before each piece of an answer
	once     bool          // it is over when a connection broke
}

// set decides on the fault of connections that are, and that will be. Nil means none.
func (w *wire) set(f *fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

func (w *wire) now() *fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

// dial is a Config's way to make connections.
func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	far, err := w.server()
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	l := &link{near: near, far: far}
	go l.pump(far, near, w.up(l))
	go l.pump(near, far, w.down(l))
	return client, nil
}

// link is one connection.
type link struct {
	near, far net.Conn

	mu       sync.Mutex
	scripted bool // a script was sent under the fault
	up, down int  // bytes that went through since
}

// pump carries bytes, as much as there are before the other side takes them, as a network
// does. With what it read, filter says what to pass on, and whether to go on.
func (l *link) pump(to, from net.Conn, filter func([]byte) ([]byte, bool)) {
	defer l.near.Close()
	defer l.far.Close()
	queue := make(chan []byte, 1<<12)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(queue)
	wg.Go(func() {
		for b := range queue {
			if _, err := to.Write(b); err != nil {
				l.near.Close()
				l.far.Close()
			}
		}
	})
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		if err != nil {
			return
		}
		b, more := filter(b[:n])
		if len(b) > 0 {
			queue <- b
		}
		if !more {
			return
		}
	}
}

// cut passes on what is left of a budget.
func cut(b []byte, used *int, budget int) ([]byte, bool) {
	*used += len(b)
	if budget >= 0 && *used > budget {
		return b[:max(0, len(b)-(*used-budget))], false
	}
	return b, true
}

func (w *wire) up(l *link) func([]byte) ([]byte, bool) {
	return func(b []byte) ([]byte, bool) {
		f := w.now()
		l.mu.Lock()
		defer l.mu.Unlock()
		if f == nil {
			l.scripted = false
			return b, true
		}
		if !l.scripted {
			if !bytes.Contains(b, []byte("\r\neval")) { // evalsha too; a pipeline is one piece
				return b, true
			}
			l.scripted, l.up, l.down = true, 0, 0
		}
		return cut(b, &l.up, f.up)
	}
}

func (w *wire) down(l *link) func([]byte) ([]byte, bool) {
	return func(b []byte) ([]byte, bool) {
		f := w.now()
		l.mu.Lock()
		scripted := l.scripted
		l.mu.Unlock()
		if f == nil || !scripted {
			return b, true
		}
		if f.mute {
			return nil, true
		}
		time.Sleep(f.delay)
		b, more := cut(b, &l.down, f.down)
		if !more && f.once {
			w.set(nil)
		}
		return b, more
	}
}

// bubble runs f in virtual time, with a sink that reaches a miniredis over a wire.
func bubble(t *testing.T, c redis.Config, f func(t *testing.T, w *wire, m *miniredis.Miniredis, s *redis.Sink)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) }) // for what sleeps and then ends
		m := miniredis.NewMiniRedis()
		m.ClockTTL(true)
		t.Cleanup(m.Close)
		w := &wire{server: m.Dial}
		f(t, w, m, open(t, c.WithDial(w.dial)))
	})
}

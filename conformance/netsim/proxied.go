package netsim

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// What one way of a connection holds, at most: longChunk bytes in each of manyChunks,
// and another in the hands of each goroutine.
const (
	longChunk  = 16 << 10
	manyChunks = 64
)

// proxied is a connection through a Proxy.
type proxied struct {
	proxy *Proxy
	life  context.Context // until it is reset
	over  context.CancelFunc
	near  *net.TCPConn // of whoever connected

	// The lock of the Proxy guards what follows.
	far    *net.TCPConn // to the target; nil until it is there
	passed [2]int       // bytes since SetStream
	ended  [2]bool      // by EndAfter
}

// A chunk is what was read at once; nil data is the end.
type chunk struct {
	data []byte
	at   time.Time
}

func (p *Proxy) connection(near net.Conn) *proxied {
	c := &proxied{proxy: p, near: near.(*net.TCPConn)}
	c.life, c.over = context.WithCancel(context.Background())
	return c
}

// lead connects to the target and passes on both ways until they have ended.
func (c *proxied) lead() {
	defer func() {
		c.over()
		c.near.Close()
		c.proxy.mu.Lock()
		defer c.proxy.mu.Unlock()
		delete(c.proxy.conns, c)
	}()
	far, err := new(net.Dialer).DialContext(c.life, "tcp", c.proxy.target)
	if err != nil {
		c.fail()
		return
	}
	defer far.Close()
	c.proxy.mu.Lock()
	c.far = far.(*net.TCPConn)
	c.proxy.mu.Unlock()
	if c.life.Err() != nil { // reset before there was a far
		c.fail()
		return
	}
	var ways sync.WaitGroup
	for i, way := range [2][2]*net.TCPConn{{c.near, c.far}, {c.far, c.near}} {
		chunks := make(chan chunk, manyChunks)
		ways.Go(func() { c.read(i, way[0], chunks) })
		ways.Go(func() { c.write(i, way[1], chunks) })
	}
	ways.Wait()
}

// reset ends both sides at once. The Proxy's lock is held.
func (c *proxied) reset() {
	c.over()
	for _, side := range []*net.TCPConn{c.near, c.far} {
		if side != nil {
			side.SetLinger(0) // which makes Close a reset
			side.Close()
		}
	}
}

func (c *proxied) fail() {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.reset()
}

// read takes what comes. An end is passed on in its turn, and a reset at once.
func (c *proxied) read(way int, from *net.TCPConn, to chan<- chunk) {
	defer close(to)
	for {
		if _, ok := c.await(way); !ok {
			return
		}
		data := make([]byte, longChunk)
		n, err := from.Read(data)
		next := chunk{data[:n], time.Now()}
		switch {
		case err == io.EOF:
			next.data = nil
		case err != nil:
			c.fail()
			return
		}
		select {
		case to <- next:
		case <-c.life.Done():
			return
		}
		if err == io.EOF {
			return
		}
	}
}

// write passes on what was read when it is due.
func (c *proxied) write(way int, to *net.TCPConn, from <-chan chunk) {
	for next := range from {
		s, ok := c.await(way)
		if ok && s.Delay > 0 {
			c.sleep(time.Until(next.at.Add(s.Delay)))
			_, ok = c.await(way)
		}
		if !ok {
			return
		}
		if next.data == nil {
			to.CloseWrite()
			return
		}
		if !c.pieces(way, to, next.data) {
			return
		}
	}
}

// pieces passes on data as the Stream says, and reports whether the connection lives.
func (c *proxied) pieces(way int, to *net.TCPConn, data []byte) bool {
	for len(data) > 0 {
		s, ok := c.await(way)
		if !ok {
			return false
		}
		n := len(data)
		if s.Chunk > 0 {
			n = min(n, s.Chunk)
		}
		n, then := c.pass(way, s, n)
		if n > 0 {
			if _, err := to.Write(data[:n]); err != nil {
				c.fail()
				return false
			}
			c.count(way, n)
		}
		switch then {
		case passReset:
			c.fail()
			return false
		case passEnd:
			to.CloseWrite()
			return true // nobody gets the rest
		}
		data = data[n:]
		c.sleep(s.Pause)
	}
	return true
}

// What happens behind the bytes that may pass.
const (
	passMore = iota
	passEnd
	passReset
)

// pass says how many of n bytes may pass now, and what then.
func (c *proxied) pass(way int, s Stream, n int) (may, then int) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.ended[way] {
		return 0, passEnd
	}
	passed := &c.passed[way]
	switch end, reset := s.EndAfter, s.ResetAfter; {
	case reset > 0 && *passed+n >= reset && (end <= 0 || reset <= end):
		n, then = reset-*passed, passReset
	case end > 0 && *passed+n >= end:
		n, then = end-*passed, passEnd
		c.ended[way] = true
	}
	*passed += n
	return n, then
}

func (c *proxied) count(way, n int) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.proxy.passed[way] += int64(n)
}

// await waits until the way is not stalled and returns its Stream, or false if the
// connection is over.
func (c *proxied) await(way int) (Stream, bool) {
	for c.life.Err() == nil {
		c.proxy.mu.Lock()
		s, stalled, changed := c.proxy.streams[way], c.proxy.stalled&(1<<way) != 0, c.proxy.changed
		c.proxy.mu.Unlock()
		if !stalled {
			return s, true
		}
		select {
		case <-changed:
		case <-c.life.Done():
		}
	}
	return Stream{}, false
}

// sleep waits for d, or until the connection is over.
func (c *proxied) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.life.Done():
	}
}

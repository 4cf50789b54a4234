package netsim_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// patience is for what must happen, however busy the machine is.
const patience = 20 * time.Second

// proxy returns a Proxy and connections through it: each call of connect returns both
// ends of one.
func proxy(t *testing.T) (p *netsim.Proxy, connect func() (near, far *net.TCPConn)) {
	t.Helper()
	before := runtime.NumGoroutine()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	if p, err = netsim.NewProxy(target.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		target.Close()
		p.Close()
		if p.Conns() != 0 {
			t.Errorf("%d connections outlive the Proxy", p.Conns())
		}
		for start := time.Now(); runtime.NumGoroutine() > before; time.Sleep(ms) {
			if time.Since(start) > patience {
				t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
			}
		}
	})
	return p, func() (near, far *net.TCPConn) {
		t.Helper()
		var conns [2]net.Conn
		for i, open := range []func() (net.Conn, error){func() (net.Conn, error) { return net.Dial("tcp", p.Addr().String()) }, target.Accept} {
			c, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			c.SetDeadline(time.Now().Add(patience))
			conns[i] = c
		}
		return conns[0].(*net.TCPConn), conns[1].(*net.TCPConn)
	}
}

// wantRead reads just want.
func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
}

// wantEnd reads just want and then an error.
func wantEnd(t *testing.T, c net.Conn, want string, end error) {
	t.Helper()
	got, err := io.ReadAll(c)
	if err == nil {
		err = io.EOF
	}
	if string(got) != want || !errors.Is(err, end) {
		t.Errorf("read %q, %v; want %q and %v", got, err, want, end)
	}
}

func TestProxyPassesOn(t *testing.T) {
	p, connect := proxy(t)
	near, far := connect()
	large := bytes.Repeat([]byte("parley "), 1<<17)
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{near, far}, {far, near}} {
		both.Go(func() {
			way[0].Write(large)
			way[0].CloseWrite() // and the other way goes on
		})
		both.Go(func() {
			if got, err := io.ReadAll(way[1]); err != nil || !bytes.Equal(got, large) {
				t.Errorf("%d bytes arrived of %d: %v", len(got), len(large), err)
			}
		})
	}
	both.Wait()
	for _, w := range []netsim.Way{netsim.Up, netsim.Down} {
		if n := p.Passed(w); n != int64(len(large)) {
			t.Errorf("way %d: %d bytes passed, want %d", w, n, len(large))
		}
	}
	if n := p.Passed(netsim.BothWays); n != 2*int64(len(large)) {
		t.Errorf("%d bytes passed, want %d", n, 2*len(large))
	}
}

func TestProxyPassesResetsOn(t *testing.T) {
	_, connect := proxy(t)
	near, far := connect()
	far.SetLinger(0)
	far.Close()
	wantEnd(t, near, "", syscall.ECONNRESET)
}

func TestProxyDelay(t *testing.T) {
	p, connect := proxy(t)
	near, far := connect()
	p.SetStream(netsim.Up, netsim.Stream{Delay: 50 * ms})
	start := time.Now()
	near.Write([]byte("late"))
	near.CloseWrite()
	wantEnd(t, far, "late", io.EOF)
	if took := time.Since(start); took < 50*ms {
		t.Errorf("it took %v, want 50 ms at least", took)
	}
	far.Write([]byte("back"))
	wantRead(t, near, "back")
}

func TestProxyChunks(t *testing.T) {
	p, connect := proxy(t)
	near, far := connect()
	p.SetStream(netsim.BothWays, netsim.Stream{Chunk: 1, Pause: 5 * ms})
	start := time.Now()
	near.Write([]byte("dribble"))
	b := make([]byte, 100)
	for want := "dribble"; want != ""; {
		n, err := far.Read(b)
		if err != nil || n > 1 && time.Since(start) < 5*ms || string(b[:n]) != want[:n] {
			t.Fatalf("read %q, %v; want %q byte by byte", b[:n], err, want)
		}
		want = want[n:]
	}
	if took := time.Since(start); took < 30*ms {
		t.Errorf("seven bytes took %v, with a pause of 5 ms after each", took)
	}
}

func TestProxyResetAfter(t *testing.T) {
	p, connect := proxy(t)
	p.SetStream(netsim.Up, netsim.Stream{ResetAfter: 5})
	for range 2 { // each connection counts for itself
		near, far := connect()
		near.Write([]byte("hel"))
		wantRead(t, far, "hel")
		near.Write([]byte("lo, world"))
		wantEnd(t, far, "lo", syscall.ECONNRESET)
		wantEnd(t, near, "", syscall.ECONNRESET)
	}
	near, far := connect()
	near.Write([]byte("four"))
	wantRead(t, far, "four")
	p.SetStream(netsim.Up, netsim.Stream{ResetAfter: 5}) // counts from now on
	near.Write([]byte("more"))
	wantRead(t, far, "more")
}

func TestProxyEndAfter(t *testing.T) {
	p, connect := proxy(t)
	p.SetStream(netsim.Down, netsim.Stream{EndAfter: 5})
	near, far := connect()
	far.Write([]byte("hello, world"))
	wantEnd(t, near, "hello", io.EOF)
	far.Write([]byte("anybody?"))
	near.Write([]byte("the other way goes on"))
	near.CloseWrite()
	wantEnd(t, far, "the other way goes on", io.EOF)
}

func TestProxyStall(t *testing.T) {
	p, connect := proxy(t)
	near, far := connect()
	p.Stall(netsim.Up)
	near.Write([]byte("wait"))
	far.Write([]byte("the other way goes on"))
	wantRead(t, near, "the other way goes on")
	far.SetReadDeadline(time.Now().Add(30 * ms))
	if n, err := far.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes passed through a stall", n)
	}
	p.Stall(netsim.Down)
	p.Resume(netsim.Up)
	far.SetReadDeadline(time.Now().Add(patience))
	wantRead(t, far, "wait")
	far.Write([]byte("now you"))
	p.Resume(netsim.BothWays)
	wantRead(t, near, "now you")

	// The sender's kernel has no room in the end.
	p.Stall(netsim.Up)
	near.SetWriteDeadline(time.Now().Add(500 * ms))
	if n, err := near.Write(make([]byte, 64<<20)); err == nil {
		t.Errorf("%d bytes were written into a stall", n)
	}
}

func TestProxyCut(t *testing.T) {
	p, connect := proxy(t)
	near, far := connect()
	near.Write([]byte("x"))
	wantRead(t, far, "x")
	p.Stall(netsim.BothWays) // which keeps nothing from being cut
	p.Cut()
	wantEnd(t, near, "", syscall.ECONNRESET)
	wantEnd(t, far, "", syscall.ECONNRESET)
	p.Resume(netsim.BothWays)
	near, far = connect()
	near.Write([]byte("again"))
	wantRead(t, far, "again")
}

// wantRefused connects to p and is reset, be it as it connects or then.
func wantRefused(t *testing.T, p *netsim.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	wantEnd(t, c, "", syscall.ECONNRESET)
}

func TestProxyRefuse(t *testing.T) {
	p, connect := proxy(t)
	p.Refuse(true)
	wantRefused(t, p)
	p.Refuse(false)
	near, far := connect()
	near.Write([]byte("in"))
	wantRead(t, far, "in")
}

func TestProxyWithoutTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p, err := netsim.NewProxy(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wantRefused(t, p)
	if _, err := netsim.NewProxy("nowhere"); err == nil {
		t.Error("a Proxy to nowhere was made")
	}
}

// Everything at once, for the race detector.
func TestProxyConcurrent(t *testing.T) {
	p, connect := proxy(t)
	var all sync.WaitGroup
	var ends [4][2]net.Conn
	for i := range ends {
		ends[i][0], ends[i][1] = connect()
	}
	for i := range ends {
		near, far := ends[i][0], ends[i][1]
		for _, c := range []net.Conn{near, far} {
			all.Go(func() { io.Copy(io.Discard, c) })
			all.Go(func() {
				for k := range 100 {
					if _, err := c.Write(make([]byte, 100*k)); err != nil {
						return
					}
				}
				c.Close()
			})
		}
		all.Go(func() {
			for k := range 20 {
				p.SetStream(netsim.Way(1+k%3), netsim.Stream{Delay: ms, Chunk: 1000, Pause: 10 * time.Microsecond})
				p.Stall(netsim.Up)
				p.Refuse(k%2 == 0)
				p.Resume(netsim.BothWays)
				p.Conns()
				if i == 3 && k == 19 {
					p.Cut()
				}
			}
		})
	}
	all.Wait()
}

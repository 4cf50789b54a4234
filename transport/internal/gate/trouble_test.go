package gate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// A Listener may be closed at any moment of a dial.
func TestListenerClosedAmidDial(t *testing.T) {
	for at := time.Duration(0); at <= 32*time.Millisecond; at += time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, lan, nil)
			time.AfterFunc(at, w.gate.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			c, err := w.dial(ctx, nil)
			switch {
			case err == nil:
				select {
				case s := <-w.accept: // it was accepted before, and is spared
					if !c.send("there") || <-s.packets != "there" {
						t.Errorf("%v: spared, and deaf", at)
					}
					w.end(c, s)
				case err := <-c.ended:
					if err.Code != core.CodeShutdown && err.Code != core.CodeLost {
						t.Errorf("%v: %v", at, err)
					}
					w.end(c)
				case <-time.After(11 * time.Second):
					t.Errorf("%v: in limbo", at)
					w.end(c)
				}
			case !errors.Is(err, core.ErrTimeout) && !errors.Is(err, core.ErrRefused):
				t.Errorf("%v: %v", at, err)
			}
			w.net.Close()
		})
	}
}

// A client confirms its handshake at the moment when the Listener is closed.
func TestListenerClosedAtConfirmation(t *testing.T) {
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			k := &knocker{from: clientAddr, offer: offer{idle: time.Second}}
			var in []*end
			k.gate = listening(t, func(c *ServerConfig) {
				c.Accept = func(l *Link) Handler {
					in = append(in, newEnd(l))
					return in[0]
				}
			}, k.sent)
			p := k.shake(t)
			var all sync.WaitGroup
			all.Go(k.gate.Close)
			k.gate.take(p, k.from)
			for _, e := range in {
				e.link.Drop(core.CodeNormal, "")
			}
			all.Wait()
			time.Sleep(2 * time.Second)
			if is := left(k.gate); is != "" {
				t.Errorf("%s are left", is)
			}
		})
	}
}

// Somebody else closes a socket, of a server or of a client, at any moment.
func TestSocketClosed(t *testing.T) {
	for _, server := range []bool{true, false} {
		for at := time.Duration(0); at <= 40*time.Millisecond; at += 4 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				lost := make(chan bool, 1)
				w := newWorld(t, lan, func(c *ServerConfig) { c.Lost = func() { lost <- true } })
				var pc net.PacketConn = w.net.Conns()[0]
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if !server {
					at += time.Microsecond // then there is a client
				}
				time.AfterFunc(at, func() {
					if !server {
						pc = w.net.Conns()[1]
					}
					pc.Close()
				})
				c, err := w.dial(ctx, nil)
				if err == nil {
					ends := []*end{c}
					if end := <-c.ended; end.Code != core.CodeLost && end.Code != core.CodeTimeout {
						t.Errorf("%v: %v", at, end)
					}
					select {
					case s := <-w.accept:
						ends = append(ends, s)
						<-s.ended
					default:
					}
					w.end(ends...)
				}
				if server {
					<-lost
				}
				w.close()
			})
		}
	}
}

// A Link whose socket dies as the dial ends is told so.
func TestSocketClosedAtWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, err := w.dial(t.Context(), func(c *ClientConfig) {
			accept := c.Accept
			c.Accept = func(l *Link) Handler {
				l.sock.pc.Close()
				synctest.Wait() // the goroutine that reads knows
				return accept(l)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := <-c.ended; err.Code != core.CodeLost || !errors.Is(err, net.ErrClosed) || time.Since(begin) > 0 {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		w.close(c)
	})
}

// troubled is a socket whose calls fail now and then.
type troubled struct {
	*netsim.PacketConn
	reads, writes atomic.Int64
}

var troubles = []error{syscall.ECONNREFUSED, syscall.ENOBUFS, syscall.EMSGSIZE, os.ErrDeadlineExceeded, syscall.EPERM, syscall.ENETUNREACH}

func trouble(n int64) error {
	return &net.OpError{Op: "x", Net: "udp", Err: troubles[n%int64(len(troubles))]}
}

func (c *troubled) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if n := c.reads.Add(1); n%3 == 0 {
		return 0, netip.AddrPort{}, trouble(n / 3)
	}
	return c.PacketConn.ReadFromUDPAddrPort(b)
}

func (c *troubled) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if n := c.writes.Add(1); n%3 == 0 {
		return 0, trouble(n / 3)
	}
	return c.PacketConn.WriteToUDPAddrPort(b, to)
}

// Sockets fail in many ways. Each failure is a packet that was lost, and ends nothing.
func TestSocketTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trouble := func(listen listenPacket) listenPacket {
			return func(ctx context.Context, network, addr string) (net.PacketConn, error) {
				pc, err := listen(ctx, network, addr)
				return &troubled{PacketConn: pc.(*netsim.PacketConn)}, err
			}
		}
		w := &world{t: t, net: netsim.NewNetwork(1), key: seeded(t, 1), accept: make(chan *end, 16)}
		w.net.SetLink(lan)
		w.listenOn(trouble(w.net.Host(serverIP).ListenPacket), serverIP+":7777", nil)
		var ends []*end
		for range 5 {
			c, err := w.dial(t.Context(), func(c *ClientConfig) { c.ListenPacket = trouble(c.ListenPacket) })
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, c, <-w.accept)
		}
		for range 100 {
			for _, e := range ends {
				e.send("x")
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		for i, e := range ends {
			if len(e.packets) < 40 || len(e.ended) > 0 {
				t.Errorf("end %d got %d of 100 packets, and %d ends", i, len(e.packets), len(e.ended))
			}
		}
		w.close(ends...)
	})
}

// A packet that is too large for the system is told to who made it, and ends nothing.
func TestTooBig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, netsim.PacketLink{MTU: MinDatagram, MTUError: true}, nil)
		c, s := w.pair()
		big := &large{size: MaxDatagram - Overhead}
		if !c.link.Send(time.Now(), big) || big.tooBig != 1 {
			t.Errorf("it was told %d times", big.tooBig)
		}
		big.size = MinDatagram - Overhead
		if !c.link.Send(time.Now(), big) || big.tooBig != 1 || len(<-s.packets) != big.size {
			t.Error("a smaller one was refused, too")
		}
		w.close(c, s)
	})
}

type large struct{ size, tooBig int }

func (l *large) Next(_ uint64, buf []byte) int { return len(buf[:l.size]) }

func (l *large) TooBig() { l.tooBig++ }

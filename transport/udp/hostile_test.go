package udp_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/internal/gate"
	"github.com/parley-net/parley/transport/udp"
)

// cheat is a client that has the keys and keeps the letter of the protocol, so that
// it is not thrown out: it fills what the server keeps for it, and gives nothing back.
type cheat struct {
	link    *gate.Link
	payload []byte
	ended   chan *core.CloseError
}

func (c *cheat) Packet(time.Time, uint64, []byte) {} // it acknowledges nothing
func (c *cheat) Moved()                           {}
func (c *cheat) TooBig()                          {}
func (c *cheat) Ended(err *core.CloseError)       { c.ended <- err }
func (c *cheat) Next(_ uint64, buf []byte) int    { return copy(buf, c.payload) }

func (c *cheat) send(payload []byte) bool {
	c.payload = payload
	return c.link.Send(time.Now(), c)
}

// data returns a frame with a part of the stream.
func data(off uint32, size int) []byte {
	b := binary.BigEndian.AppendUint32([]byte{3}, off|2<<30)
	b = binary.BigEndian.AppendUint16(b, uint16(size)|1<<14)
	return append(b, make([]byte, size)...)
}

// attacks are what the cheat sends, packet by packet.
var attacks = map[string]func(rnd *rand.Rand, i int) []byte{
	"holes":    func(_ *rand.Rand, i int) []byte { return data(uint32(1+2*i)%393_000, 1) },
	"backward": func(_ *rand.Rand, i int) []byte { return data(uint32(392_000-1000*(i%390)), 1000) },
	"scatter":  func(rnd *rand.Rand, _ int) []byte { return data(1+rnd.Uint32N(392_000), 1+rnd.IntN(1000)) },
	"datagrams": func(rnd *rand.Rand, _ int) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{4}, 1000|1<<14), make([]byte, 1000)...)
	},
	"pings": func(*rand.Rand, int) []byte { return []byte{1} },
}

// One peer that cheats costs the server less than 2 MiB, and the others nothing: their
// messages arrive in order and in time.
func TestCheat(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { withCheat(t, attack) })
		})
	}
}

func withCheat(t *testing.T, attack func(*rand.Rand, int) []byte) {
	const honest, rate, seconds, pps = 4, 10, 2, 5000
	n := netsim.NewNetwork(1)
	n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: 20 * time.Millisecond}})
	server := udp.New(udp.Config{ListenPacket: n.ListenPacket})
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var players, seats []core.Conn
	for i := range honest {
		c, err := udp.New(udp.Config{ListenPacket: n.Host(fmt.Sprintf("127.0.1.%d", i+1)).ListenPacket}).Dial(t.Context(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		players, seats = append(players, c), append(seats, s)
	}
	c := &cheat{ended: make(chan *core.CloseError, 1)}
	_, err = gate.Dial(t.Context(), l.Addr().String(), gate.ClientConfig{
		Kind: gate.KindUDP, Idle: 10 * time.Second, ListenPacket: n.Host("127.0.2.1").ListenPacket,
		Accept: func(l *gate.Link) gate.Handler { c.link = l; return c },
	})
	if err != nil {
		t.Fatal(err)
	}
	seat, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	for seat.Send(core.Reliable, make([]byte, 64<<10)) == nil { // as much as it takes
	}
	for range 1000 {
		seat.Send(core.Unreliable, make([]byte, 1000))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		rnd := rand.New(rand.NewPCG(1, 1))
		for i := range seconds * pps {
			if !c.send(attack(rnd, i)) {
				return
			}
			if i%50 == 0 {
				time.Sleep(50 * time.Second / pps)
			}
		}
	}()
	for i := range rate * seconds {
		sent := time.Now()
		for k, p := range players {
			want := fmt.Sprintf("message %d of %d", i, k)
			if err := p.Send(core.Reliable, []byte(want)); err != nil {
				t.Fatal(err)
			}
			msg, err := seats[k].Recv(t.Context())
			if err != nil || string(msg) != want {
				t.Fatalf("%q, %v, want %q", msg, err, want)
			}
			if took := time.Since(sent); took > time.Duration(k+1)*21*time.Millisecond {
				t.Fatalf("%q took %v", want, took)
			}
		}
		time.Sleep(time.Until(sent.Add(time.Second / rate)))
	}
	<-done
	if grown := int64(heap()) - int64(before); grown > 2<<20 {
		t.Errorf("the cheat costs %d bytes", grown)
	}
	c.link.Drop(core.CodeNormal, "")
	c.link.Wait()
	closeAll(append(append(players, seats...), seat)...)
	l.Close()
	n.Close()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

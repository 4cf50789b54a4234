package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
)

var strangerLaws = []law[Transport]{
	{"Accept/StrangersCost",
		"A length that a stranger announces takes no memory before the bytes are there.",
		acceptStrangersCost},
	{"Accept/Strangers",
		"What strangers send makes no Accept fail, keeps no one out, and disturbs no connection.",
		acceptStrangers},
	{"Accept/SilentStranger",
		"Strangers who connect and say nothing keep no one out.",
		acceptSilentStranger},
}

// garbage is what strangers say.
var garbage = []string{
	"\x00", "GET / HTTP/1.1\r\nHost: game\r\n\r\n",
	strings.Repeat("\x00", 2000), strings.Repeat("\xff", 2000),
	"\x16\x03\x01\x00\x05hello", // the beginning of TLS
	"\x01", "\x00\x00\x00\x05hello",
}

// announced are lengths of about 100 MiB, as several kinds of numbers.
var announced = []string{
	"\x06\x00\x00\x00", "\x00\x00\x00\x06", "\x00\x00\x00\x00\x06\x00\x00\x00", "\x80\x80\x80\x30",
	"\x00\x06\x00\x00\x00", "\x01\x06\x00\x00\x00", "\x01\x00\x00\x00\x06",
}

// An entrance is a room with a door that strangers can knock on.
type entrance struct {
	*room
	network, addr string
	accepting     group
	stop          context.CancelFunc
	found         chan *peer // on which an invited dialer said hello
	strangers     []net.Conn
}

const hello = "hello from one who was invited"

// enter opens a room with an Accept that never rests, as some adapters take a
// stranger for a connection until it has spoken.
func (h Transport) enter(e *env) (*entrance, error) {
	r, err := h.open(e)
	if err != nil {
		return nil, err
	}
	in := &entrance{room: r, found: make(chan *peer, 64)}
	in.network, in.addr = r.l.Addr().Network(), r.l.Addr().String()
	switch strings.TrimRight(in.network, "46") {
	case "tcp", "udp", "unix":
	default:
		r.close()
		return nil, skip("strangers do not find a Listener at a %q address", in.network)
	}
	ctx, stop := context.WithCancel(e)
	in.stop = stop
	in.accepting.do(func() error {
		for {
			c, err := r.l.Accept(ctx)
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("Accept, with strangers at the door: %w", err)
			}
			p := r.read(r.keep(c))
			in.accepting.do(func() error {
				for {
					msg, err := p.next()
					if err != nil || ctx.Err() != nil {
						return nil
					}
					if bytes.Equal(msg, []byte(hello)) {
						in.found <- p
						return nil
					}
				}
			})
		}
	})
	return in, nil
}

// knock connects as a stranger and says something.
func (in *entrance) knock(say string) error {
	c, err := net.DialTimeout(in.network, in.addr, in.e.wait)
	if err != nil {
		return fmt.Errorf("a stranger cannot connect to %s %s: %w", in.network, in.addr, err)
	}
	in.strangers = append(in.strangers, c)
	if say != "" {
		c.SetWriteDeadline(time.Now().Add(in.e.wait))
		c.Write([]byte(say)) // the adapter may have hung up
	}
	return nil
}

// invite connects as a player and returns both ends.
func (in *entrance) invite() (dialed, accepted *peer, err error) {
	ctx, cancel := context.WithTimeout(in.e, in.e.wait)
	defer cancel()
	c, err := in.dial(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("Dial, with strangers at the door: %w", err)
	}
	dialed = in.read(c)
	if err := in.e.post(c, core.Reliable, []byte(hello)); err != nil {
		return nil, nil, err
	}
	select {
	case accepted = <-in.found:
		return dialed, accepted, nil
	case <-time.After(in.e.wait):
		return nil, nil, errors.Join(in.accepting.first(), fmt.Errorf("a connection was not accepted within %v, with strangers at the door", in.e.wait))
	}
}

func (in *entrance) leave() error {
	for _, c := range in.strangers {
		c.Close()
	}
	in.stop()
	in.close()
	return in.accepting.wait(in.e, "Accept whose context has ended")
}

func acceptStrangers(e *env, h Transport) (err error) {
	in, err := h.enter(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.leave()) }()
	d, a, err := in.invite()
	if err != nil {
		return err
	}
	for i, say := range garbage {
		if err := in.knock(say); err != nil {
			return err
		}
		if i%2 == 0 {
			in.strangers[i].Close()
		}
	}
	time.Sleep(20 * time.Millisecond)
	if err := errors.Join(e.carry(d, a, 0, 10, 100), e.carry(a, d, 0, 10, 100)); err != nil {
		return fmt.Errorf("on a connection, with strangers at the door: %w", err)
	}
	_, _, err = in.invite()
	return err
}

func acceptSilentStranger(e *env, h Transport) (err error) {
	in, err := h.enter(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.leave()) }()
	for range 4 {
		if err := in.knock(""); err != nil {
			return err
		}
	}
	time.Sleep(10 * time.Millisecond) // so that they stand in front
	start := time.Now()
	if _, _, err := in.invite(); err != nil {
		return err
	}
	e.logf("an invited dialer took %v", time.Since(start))
	return nil
}

func acceptStrangersCost(e *env, h Transport) (err error) {
	in, err := h.enter(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.leave()) }()
	before := heap()
	for range 2 {
		for _, say := range announced {
			if err := in.knock(say); err != nil {
				return err
			}
		}
	}
	for range 10 {
		time.Sleep(10 * time.Millisecond)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if grown := int(m.HeapAlloc) - before; grown > most {
			return fmt.Errorf("%d strangers, who sent a few bytes each, made the process take %d MiB", len(in.strangers), grown>>20)
		}
	}
	return nil
}

package line

import (
	"context"
	"encoding/gob"
	"io"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// A frame is what travels: a message, or the end.
type frame struct {
	Message []byte
	End     bool
	Code    core.Code
	Reason  string
}

type conn struct {
	socket net.Conn
	in     chan []byte    // what Recv has not taken
	out    [2]chan []byte // what was not written, by Delivery
	done   chan struct{}  // closed when err is set
	read   chan struct{}  // closed when nothing more is read
	gone   chan struct{}  // closed when the socket is
	mu     sync.Mutex
	err    *core.CloseError
}

func newConn(socket net.Conn) *conn {
	c := &conn{socket: socket, in: make(chan []byte, 16), out: [2]chan []byte{make(chan []byte, 64), make(chan []byte, 64)},
		done: make(chan struct{}), read: make(chan struct{}), gone: make(chan struct{})}
	go c.reader()
	go c.writer()
	return c
}

func (c *conn) Send(d core.Delivery, msg []byte) error {
	c.mu.Lock() // so that nothing is queued behind the end
	defer c.mu.Unlock()
	queue, limit := c.out[d], c.MaxSize(d)
	switch {
	case c.err != nil:
		return c.err
	case len(msg) > limit:
		return &core.TooLargeError{Size: len(msg), Max: limit, Delivery: d}
	case d == core.Reliable && len(queue) == cap(queue):
		return core.ErrBackpressure
	case len(queue) == cap(queue):
		select {
		case <-queue: // the oldest goes
		default:
		}
	}
	queue <- append([]byte{}, msg...) // only Send fills it, so there is room
	return nil
}

func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	select {
	case <-c.done: // what arrived, then the end, whatever ctx says
	default:
		select {
		case msg := <-c.in:
			return msg, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.done:
		}
	}
	select {
	case msg := <-c.in:
		return msg, nil
	default:
		return nil, c.err
	}
}

func (c *conn) MaxSize(d core.Delivery) int {
	return [2]int{core.Unreliable: core.MinUnreliableSize, core.Reliable: core.MinReliableSize}[d]
}

func (c *conn) RemoteAddr() net.Addr { return c.socket.RemoteAddr() }

func (c *conn) Stats() core.Stats { return core.Stats{} }

func (c *conn) Close(code core.Code, reason string) error {
	c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)})
	<-c.gone
	return nil
}

func (c *conn) end(err *core.CloseError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
		time.AfterFunc(core.DefaultLinger, func() { c.socket.Close() })
	}
}

func (c *conn) reader() {
	defer close(c.read)
	bounded := &io.LimitedReader{R: c.socket}
	decoder := gob.NewDecoder(bounded)
	for {
		var f frame
		bounded.N = core.MinReliableSize + 8<<10 // whatever length is announced
		if err := decoder.Decode(&f); err != nil {
			c.end(&core.CloseError{Code: core.CodeInternal, Remote: true, Err: err})
			return
		} else if f.End {
			c.end(&core.CloseError{Code: f.Code, Reason: f.Reason, Remote: true})
			return
		}
		select {
		case c.in <- f.Message:
		case <-c.done: // read on, to see the peer's end
		}
	}
}

func (c *conn) writer() {
	defer close(c.gone)
	defer c.socket.Close()
	encoder := gob.NewEncoder(c.socket)
	for err := error(nil); err == nil; {
		select {
		case msg := <-c.out[core.Unreliable]:
			err = encoder.Encode(frame{Message: msg})
		case msg := <-c.out[core.Reliable]:
			err = encoder.Encode(frame{Message: msg})
		case <-c.done:
			for len(c.out[core.Reliable]) > 0 && !c.err.Remote {
				encoder.Encode(frame{Message: <-c.out[core.Reliable]})
			}
			encoder.Encode(frame{End: true, Code: c.err.Code, Reason: c.err.Reason})
			c.socket.(*net.TCPConn).CloseWrite()
			err = io.EOF
		}
	}
	<-c.read // it learns why the connection ended, and that the peer has everything
}

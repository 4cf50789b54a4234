package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/parley-net/parley/core"
)

// errFlood ends a connection whose peer sends keepalives as if there were a point.
var errFlood = errors.New("the peer floods this side with keepalives")

// readLoop reads frames until the connection ends, and then waits for the end of
// the peer's stream, so that closing the socket does not destroy what is under way.
func (c *conn) readLoop(welcome bool) {
	defer c.exit()
	d := newDeframer()
	var beats int // keepalives since
	var since time.Time
	for c.awaitSpace() {
		s, err := d.read(c.stream)
		if beats += s.frames - s.messages; beats > maxBeats {
			// Nobody counts keepalives, so nobody else would notice.
			if now := time.Now(); now.Sub(since) > time.Second {
				beats, since = 0, now
			} else if s.err == nil {
				s.err = errFlood
			}
		}
		if welcome && (s.frames > 0 || s.err != nil) {
			if s.err == nil && !s.welcome {
				s = scanned{err: core.Errorf(core.ErrMalformed, "the server begins without a welcome: it is no parley server")}
			} else if s.err == nil {
				close(c.welcome)
				welcome = false
			}
		}
		if s.messages == 0 {
			d.skip(s.end)
		} else if !c.deliver(d, s.end) {
			break
		}
		switch {
		case s.bye != nil:
			c.end(s.bye, answer)
		case s.err == errFlood:
			c.end(&core.CloseError{Code: core.CodeFlood, Err: fmt.Errorf("%s: %w", c.raw.RemoteAddr(), s.err)}, farewell)
		case s.err != nil:
			c.end(&core.CloseError{Code: core.CodeProtocol, Err: fmt.Errorf("%s: %w", c.raw.RemoteAddr(), s.err)}, farewell)
		case err != nil:
			c.end(c.readFailed(err, d.n))
		default:
			continue
		}
		break
	}
	c.drain(d.buf)
}

// awaitSpace waits until Recv has taken enough for the reader to go on, and sets the
// deadline of the next read. It reports whether the connection lives.
func (c *conn) awaitSpace() bool {
	for {
		c.mu.Lock()
		if c.err != nil {
			c.mu.Unlock()
			return false
		}
		if !c.in.full() {
			if c.broken == nil {
				c.stream.SetReadDeadline(time.Now().Add(c.cfg.IdleTimeout))
			}
			c.mu.Unlock()
			return true
		}
		c.mu.Unlock()
		select {
		case <-c.space:
		case <-c.done:
			return false
		}
	}
}

// deliver hands the frames before end to Recv; awaitSpace has found room for them. It
// does nothing if the connection has ended meanwhile.
func (c *conn) deliver(d *deframer, end int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	c.in.add(d, end)
	signal(c.ready)
	return true
}

// drain throws away what the peer still sends, until its stream ends or the linger
// is over. A socket that is closed with unread bytes sends a RST, and that would
// overtake our last messages.
func (c *conn) drain(buf []byte) {
	c.mu.Lock()
	how := c.how
	c.mu.Unlock()
	if how == abort || how == reset || how == lastWord {
		return
	}
	c.stream.SetReadDeadline(time.Time{})
	for read := 0; how != farewell || read < drainLimit; {
		n, err := c.stream.Read(buf)
		if err != nil {
			return
		}
		read += n
	}
	c.kill(abort)
}

// readFailed says what an error of the stream means. n bytes of a frame were read.
func (c *conn) readFailed(err error, n int) (*core.CloseError, ending) {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	peer := c.raw.RemoteAddr()
	var timeout net.Error
	var local *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && broken != nil:
		return &core.CloseError{Code: core.CodeLost, Remote: true,
			Err: fmt.Errorf("the connection to %s is lost: %w", peer, broken)}, abort
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &core.CloseError{Code: core.CodeTimeout,
			Err: fmt.Errorf("nothing came from %s for %v: %w", peer, c.cfg.IdleTimeout, err)}, lastWord
	case errors.As(err, &record), errors.As(err, &local) && local.Op == "local error":
		// crypto/tls found something in the peer's bytes that TLS forbids, and has
		// said so to the peer.
		return &core.CloseError{Code: core.CodeProtocol,
			Err: core.Errorf(core.ErrMalformed, "%s breaks TLS: %w", peer, err)}, abort
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if n > 0 {
			return &core.CloseError{Code: core.CodeLost, Remote: true,
				Err: fmt.Errorf("the stream of %s ended inside a frame: %w", peer, io.ErrUnexpectedEOF)}, abort
		}
		return &core.CloseError{Code: core.CodeLost, Remote: true,
			Err: fmt.Errorf("the stream of %s ended without a goodbye: %w", peer, io.ErrUnexpectedEOF)}, abort
	case errors.As(err, &timeout) && timeout.Timeout():
		return &core.CloseError{Code: core.CodeTimeout,
			Err: fmt.Errorf("the connection to %s is lost: %w", peer, err)}, abort
	}
	return &core.CloseError{Code: core.CodeLost, Remote: true,
		Err: fmt.Errorf("the connection to %s is lost: %w", peer, err)}, abort
}

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

// An inbox holds blocks of whole messages that the reader has read and Recv has not
// taken. When it is full the reader stops reading, and the peer notices in the end.
// The conn's mutex guards it.
type inbox struct {
	blocks [inboxBlocks]block
	n      int
	bytes  int
	free   [freeBlocks][]byte // memory that is used again
	frees  int
}

// full reports whether the reader must wait.
func (in *inbox) full() bool { return in.n == len(in.blocks) || in.bytes >= inboxSize }

// add takes the frames in buf[:end]. It returns a buffer of at least size bytes that
// begins with what follows them, buf[end:n].
func (in *inbox) add(buf []byte, end, n, size int) []byte {
	in.bytes += end
	if in.n > 0 {
		// While Recv does not keep up, small blocks grow instead of becoming many.
		if last := &in.blocks[in.n-1]; len(last.buf)-last.end >= end {
			last.end += copy(last.buf[last.end:], buf[:end])
			copy(buf, buf[end:n])
			return buf
		}
	}
	in.blocks[in.n] = block{buf: buf, end: end}
	in.n++
	next := in.spare(max(size, n-end+1))
	copy(next, buf[end:n])
	return next
}

// next puts the oldest block into cur and takes back cur's memory.
func (in *inbox) next(cur *block) bool {
	if in.n == 0 {
		return false
	}
	in.recycle(cur.buf)
	*cur = in.blocks[0]
	in.bytes -= cur.end
	in.n--
	copy(in.blocks[:], in.blocks[1:])
	in.blocks[in.n] = block{}
	return true
}

func (in *inbox) recycle(buf []byte) {
	if len(buf) > 0 && len(buf) <= keptBlock && in.frees < len(in.free) {
		in.free[in.frees] = buf
		in.frees++
	}
}

// spare returns memory of at least size bytes.
func (in *inbox) spare(size int) []byte {
	for in.frees > 0 {
		in.frees--
		buf := in.free[in.frees]
		in.free[in.frees] = nil
		if len(buf) >= size {
			return buf
		}
	}
	return make([]byte, size)
}

// readLoop reads frames until the connection ends, and then waits for the end of
// the peer's stream, so that closing the socket does not destroy what is under way.
func (c *conn) readLoop(welcome bool) {
	defer c.exit()
	size := smallBlock
	buf := make([]byte, size)
	n := 0 // bytes in buf, which begins with a frame
	for c.awaitSpace() {
		if n == len(buf) {
			// One frame fills it. Memory grows with what the peer sends, not with
			// what it announces.
			bigger := make([]byte, max(min(2*n, frameSize(buf)), smallBlock))
			copy(bigger, buf)
			buf = bigger
		}
		m, err := c.stream.Read(buf[n:])
		n += m
		if n == len(buf) {
			size = min(2*size, largeBlock)
		}
		s := scan(buf[:n])
		if welcome && (s.frames > 0 || s.err != nil) {
			if kind, _, _ := header(buf); s.err == nil && kind != kindKeepalive {
				s = scanned{err: core.Errorf(core.ErrMalformed, "the server begins without a welcome: it is no parley server")}
			} else if s.err == nil {
				close(c.welcome)
				welcome = false
			}
		}
		if s.messages > 0 {
			next, ok := c.deliver(buf, s.end, n, size)
			if !ok {
				break
			}
			buf = next
			n -= s.end
		} else {
			n = copy(buf, buf[s.end:n])
		}
		switch {
		case s.bye != nil:
			c.end(s.bye, answer)
		case s.err != nil:
			c.end(&core.CloseError{Code: core.CodeProtocol, Err: fmt.Errorf("%s: %w", c.raw.RemoteAddr(), s.err)}, farewell)
		case err != nil:
			c.end(c.readFailed(err, n))
		default:
			continue
		}
		break
	}
	c.drain(buf)
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

// deliver hands the frames in buf[:end] to Recv; awaitSpace has found room for them.
// It returns a buffer that begins with the rest, buf[end:n]. It does nothing if the
// connection has ended meanwhile.
func (c *conn) deliver(buf []byte, end, n, size int) (next []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, false
	}
	signal(c.ready)
	return c.in.add(buf, end, n, size), true
}

// drain throws away what the peer still sends, until its stream ends or the linger
// is over. A socket that is closed with unread bytes sends a RST, and that would
// overtake our last messages.
func (c *conn) drain(buf []byte) {
	c.mu.Lock()
	how, code := c.how, c.err.Code
	c.mu.Unlock()
	if how == abort || how == reset || code == core.CodeTimeout {
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
		return &core.CloseError{Code: core.CodeInternal, Remote: true,
			Err: fmt.Errorf("the connection to %s is lost: %w", peer, broken)}, abort
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &core.CloseError{Code: core.CodeTimeout,
			Err: fmt.Errorf("nothing came from %s for %v: %w", peer, c.cfg.IdleTimeout, err)}, farewell
	case errors.As(err, &record), errors.As(err, &local) && local.Op == "local error":
		// crypto/tls found something in the peer's bytes that TLS forbids, and has
		// said so to the peer.
		return &core.CloseError{Code: core.CodeProtocol,
			Err: core.Errorf(core.ErrMalformed, "%s breaks TLS: %w", peer, err)}, abort
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if n > 0 {
			return &core.CloseError{Code: core.CodeInternal, Remote: true,
				Err: fmt.Errorf("the stream of %s ended inside a frame: %w", peer, io.ErrUnexpectedEOF)}, abort
		}
		return &core.CloseError{Code: core.CodeInternal, Remote: true,
			Err: fmt.Errorf("the stream of %s ended without a goodbye: %w", peer, io.ErrUnexpectedEOF)}, abort
	case errors.As(err, &timeout) && timeout.Timeout():
		return &core.CloseError{Code: core.CodeTimeout,
			Err: fmt.Errorf("the connection to %s is lost: %w", peer, err)}, abort
	}
	return &core.CloseError{Code: core.CodeInternal, Remote: true,
		Err: fmt.Errorf("the connection to %s is lost: %w", peer, err)}, abort
}

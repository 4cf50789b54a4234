package tcp

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/parley-net/parley/core"
)

// An outbox holds what Send took and the writer has not written yet. The conn's
// mutex guards it.
type outbox struct {
	reliable   queue
	unreliable queue
	rest       int  // bytes of the frame at the front of reliable whose beginning was written
	busy       bool // the writer will look again by itself

	waiting         int // payload bytes in the queues
	flying          int // payload bytes in the batch that is being written
	sent, sentBytes uint64
	dropped         uint64
}

func (o *outbox) pushReliable(msg []byte) bool {
	if o.reliable.n+headerSize+len(msg) > queueSize {
		return false
	}
	o.reliable.push(msg)
	o.waiting += len(msg)
	return true
}

// pushUnreliable makes room by dropping the oldest.
func (o *outbox) pushUnreliable(msg []byte) {
	for o.unreliable.frames >= unreliableCount || o.unreliable.n+headerSize+len(msg) > unreliableSize {
		size := o.unreliable.first()
		o.unreliable.frames--
		o.unreliable.drop(size)
		o.waiting -= size - headerSize
		o.dropped++
	}
	o.unreliable.push(msg)
	o.waiting += len(msg)
}

// fill appends the next batch to b, which is empty. Up to half of a batch is for
// Unreliable messages, then come Reliable ones, then Unreliable ones again: neither
// delivery can starve the other. Only a Reliable message that is longer than the
// room that is left is written in parts.
func (o *outbox) fill(b []byte) []byte {
	o.flying = 0
	if o.rest > 0 {
		b = o.takeRest(b)
		if rest := len(b); o.unreliable.frames > 0 {
			if b = o.takeUnreliable(b, batchSize/2); len(b) == rest {
				o.busy = true
				return b // there is no room for it behind the rest: it comes first next time
			}
		}
	}
	b = o.takeUnreliable(b, batchSize/2)
	for o.reliable.frames > 0 && batchSize-len(b) >= headerSize {
		size := o.reliable.first()
		o.reliable.frames--
		b = o.reliable.take(b, headerSize)
		o.count(size - headerSize)
		o.rest = size - headerSize
		b = o.takeRest(b)
	}
	b = o.takeUnreliable(b, batchSize)
	o.busy = len(b) > 0
	return b
}

func (o *outbox) takeRest(b []byte) []byte {
	n := min(o.rest, batchSize-len(b))
	o.rest -= n
	o.waiting -= n
	o.flying += n
	return o.reliable.take(b, n)
}

func (o *outbox) takeUnreliable(b []byte, limit int) []byte {
	for o.unreliable.frames > 0 && len(b) < limit {
		size := o.unreliable.first()
		if size > batchSize-len(b) {
			break
		}
		o.unreliable.frames--
		b = o.unreliable.take(b, size)
		o.waiting -= size - headerSize
		o.flying += size - headerSize
		o.count(size - headerSize)
	}
	return b
}

func (o *outbox) count(size int) {
	o.sent++
	o.sentBytes += uint64(size)
}

// discard drops what waits, except the rest of a frame that the peer has begun to
// read: without it the goodbye could not be told from that frame's payload.
func (o *outbox) discard() {
	o.dropped += uint64(o.unreliable.frames)
	o.unreliable.cut(0)
	o.reliable.cut(o.rest)
	o.waiting = o.rest
}

// writeLoop writes what is queued, batch by batch, and a keepalive when there was
// nothing to write for a while.
func (c *conn) writeLoop(welcome bool) {
	defer c.exit()
	beat := c.cfg.beat()
	timer := time.NewTimer(beat)
	defer timer.Stop()
	b := make([]byte, 0, smallBlock)
	if welcome {
		b = appendHeader(b, kindKeepalive, 0)
	}
	for {
		if len(b) > 0 {
			if err := c.write(b); err != nil {
				c.writeFailed(err)
				return
			}
			timer.Reset(beat)
		}
		c.mu.Lock()
		b = c.out.fill(b[:0])
		bye, how := c.err, c.how
		c.mu.Unlock()
		if len(b) > 0 {
			continue
		}
		if bye != nil {
			c.sayGoodbye(b, bye, how)
			return
		}
		select {
		case <-c.wake:
		case <-c.done:
		case <-timer.C:
			b = appendHeader(b, kindKeepalive, 0)
			c.mu.Lock()
			c.out.reliable.trim()
			c.mu.Unlock()
		}
	}
}

// write writes one batch. A peer that takes nothing of it for long ends the
// connection.
func (c *conn) write(b []byte) error {
	c.stream.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	_, err := c.stream.Write(b)
	return err
}

// sayGoodbye is the last thing that is written: the goodbye, and the end of the
// stream. The reader waits for the peer's.
func (c *conn) sayGoodbye(b []byte, bye *core.CloseError, how ending) {
	if how == farewell || how == flush || how == lastWord {
		if err := c.write(appendClose(b, bye.Code, bye.Reason)); err != nil {
			c.kill(abort)
			return
		}
	}
	if how == abort || how == reset {
		return
	}
	closeWrite(c.stream)
	if c.raw != c.stream {
		closeWrite(c.raw)
	}
}

// writeFailed handles an error of the stream. The connection is lost, but the peer's
// reason may be on its way to the reader, which gets some time to find it.
func (c *conn) writeFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.end(&core.CloseError{
			Code: core.CodeSlow,
			Err:  core.Errorf(core.ErrBackpressure, "%s took nothing of what was sent for %v: %w", c.raw.RemoteAddr(), c.cfg.WriteTimeout, err),
		}, reset)
		return
	}
	c.mu.Lock()
	ended := c.err != nil
	if !ended {
		c.broken = err
		c.stream.SetReadDeadline(time.Now().Add(c.cfg.Linger))
	}
	c.mu.Unlock()
	if ended { // nobody waits for a reason, and nothing can be said any more
		c.kill(abort)
	}
}

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}

package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

// headSize is what a message needs to say which it is: its number and its length.
const headSize = 8

// message makes the message with a number. It can be told from any other, and any
// change can be seen.
func message(id, size int) []byte {
	msg := make([]byte, max(size, headSize))
	binary.BigEndian.PutUint32(msg, uint32(id))
	binary.BigEndian.PutUint32(msg[4:], uint32(len(msg)))
	fill(msg)
	return msg
}

func fill(msg []byte) {
	x := uint64(binary.BigEndian.Uint32(msg))*0x9e3779b97f4a7c15 + 1
	rest := msg[headSize:]
	for ; len(rest) >= 8; rest = rest[8:] {
		x = x*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(rest, x^x>>29)
	}
	for i := range rest {
		x = x*6364136223846793005 + 1442695040888963407
		rest[i] = byte(x >> 56)
	}
}

// number says which message arrived, if it is as it was sent.
func number(msg []byte) (int, error) {
	if len(msg) < headSize {
		return 0, fmt.Errorf("a message of %d bytes arrived; none that was sent is as short", len(msg))
	}
	id, size := int(binary.BigEndian.Uint32(msg)), int(binary.BigEndian.Uint32(msg[4:]))
	want := bytes.Clone(msg)
	fill(want)
	if !bytes.Equal(want, msg) {
		i := 0
		for want[i] == msg[i] {
			i++
		}
		return id, fmt.Errorf("message %d was altered at byte %d", id, i)
	}
	if size != len(msg) {
		return id, fmt.Errorf("message %d was sent with %d bytes and arrived with %d", id, size, len(msg))
	}
	return id, nil
}

// expect takes the next message and compares it with the one that must come.
func (p *peer) expect(id int) error {
	msg, err := p.next()
	if err != nil {
		return fmt.Errorf("waiting for message %d: %w", id, err)
	}
	switch got, err := number(msg); {
	case err != nil:
		return fmt.Errorf("waiting for message %d: %w", id, err)
	case got != id:
		return fmt.Errorf("message %d arrived, want message %d", got, id)
	}
	return nil
}

// expectAll takes the messages from..to-1 in this order.
func (p *peer) expectAll(from, to int) error {
	for id := from; id < to; id++ {
		if err := p.expect(id); err != nil {
			return err
		}
	}
	return nil
}

// post sends, and tries again for a while where the queue is full.
func (e *env) post(c core.Conn, d core.Delivery, msg []byte) error {
	for start := time.Now(); ; {
		err := c.Send(d, msg)
		if !errors.Is(err, core.ErrBackpressure) || d != core.Reliable {
			if err != nil {
				return fmt.Errorf("Send of %d %s bytes: %w", len(msg), d, err)
			}
			return nil
		}
		if time.Since(start) > e.wait {
			return fmt.Errorf("Send of %d %s bytes is refused for %v although the peer reads: %w", len(msg), d, e.wait, err)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// postAll sends the Reliable messages from..to-1 of one size.
func (e *env) postAll(c core.Conn, from, to, size int) error {
	for id := from; id < to; id++ {
		if err := e.post(c, core.Reliable, message(id, size)); err != nil {
			return fmt.Errorf("message %d: %w", id, err)
		}
	}
	return nil
}

// carry sends messages and takes them.
func (e *env) carry(from, to *peer, first, last, size int) error {
	var g group
	g.do(func() error { return e.postAll(from, first, last, size) })
	if err := to.expectAll(first, last); err != nil {
		return errors.Join(g.first(), err)
	}
	return g.wait(e, "Send")
}

// untilOne sends Unreliable messages, each with a number of its own, until one of
// them arrives. What arrives meanwhile goes to other, if it is none of these.
func (e *env) untilOne(from, to *peer, first, size int, other func(msg []byte) error) error {
	last := first
	for start := time.Now(); time.Since(start) < e.wait; last++ {
		if err := from.Send(core.Unreliable, message(last, size)); err != nil {
			return fmt.Errorf("Send of %d unreliable bytes: %w", size, err)
		}
		select {
		case <-to.more:
		case <-to.done:
		case <-time.After(5 * time.Millisecond):
		}
		for {
			msg, err, ok := to.take()
			if !ok {
				break
			}
			if err != nil {
				return err
			}
			switch id, err := number(msg); {
			case err == nil && id >= first && id <= last:
				return nil
			case other == nil && err != nil:
				return err
			case other == nil:
				return fmt.Errorf("message %d arrived, which was not sent", id)
			default:
				if err := other(msg); err != nil {
					return err
				}
			}
		}
	}
	return fmt.Errorf("none of %d unreliable messages of %d bytes arrived within %v", last-first, max(size, headSize), e.wait)
}

package tcp

import (
	"encoding/binary"
	"strings"

	"github.com/parley-net/parley/core"
)

// A frame is a header of four bytes, big-endian, and a payload. The two top bits of
// the header say what the payload is, the others how long.
const (
	kindMessage   = 0 // a message of either delivery
	kindClose     = 1 // a goodbye: code (two bytes, big-endian), reason (UTF-8)
	kindKeepalive = 2 // empty; the server's first one welcomes the client
	// 3 is not used; whoever sends it breaks the protocol.

	headerSize = 4
	kindShift  = 30
	lengthMask = 1<<kindShift - 1
)

// maxClose is the longest payload of a goodbye.
const maxClose = 2 + core.MaxReason

func appendHeader(b []byte, kind uint32, size int) []byte {
	return binary.BigEndian.AppendUint32(b, kind<<kindShift|uint32(size))
}

func appendClose(b []byte, code core.Code, reason string) []byte {
	b = appendHeader(b, kindClose, 2+len(reason))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// header reads the header at the front of b, which has headerSize bytes or more,
// and refuses one that no peer may send, before a byte of the payload is waited for.
func header(b []byte) (kind uint32, size int, err error) {
	h := binary.BigEndian.Uint32(b)
	kind, size = h>>kindShift, int(h&lengthMask)
	switch {
	case kind == kindMessage && size <= MaxReliable:
	case kind == kindClose && size >= 2 && size <= maxClose:
	case kind == kindKeepalive && size == 0:
	case kind == kindMessage:
		err = core.Errorf(core.ErrMalformed, "the peer announces a message of %d bytes, of at most %d", size, MaxReliable)
	default:
		err = core.Errorf(core.ErrMalformed, "the peer sends a frame of kind %d and %d bytes, which does not exist", kind, size)
	}
	return kind, size, err
}

// scanned is what scan finds at the front of a buffer.
type scanned struct {
	end      int              // where the whole messages and keepalives end
	messages int              // how many messages stand before end
	frames   int              // how many frames stand before end
	welcome  bool             // whether the first of them is a keepalive
	bye      *core.CloseError // the goodbye that follows them, if it is there
	err      error            // why what follows them is no frame
}

// scan walks over the whole frames at the front of b.
func scan(b []byte) (s scanned) {
	for len(b)-s.end >= headerSize {
		kind, size, err := header(b[s.end:])
		if err != nil {
			s.err = err
			return s
		}
		next := s.end + headerSize + size
		if next > len(b) {
			return s
		}
		if kind == kindClose {
			s.bye = parseClose(b[s.end+headerSize : next])
			return s
		}
		switch {
		case kind == kindMessage:
			s.messages++
		case s.frames == 0:
			s.welcome = true
		}
		s.frames++
		s.end = next
	}
	return s
}

// frameSize returns the size of the frame that begins b, its header included, or
// headerSize as long as that is not known. Scan has accepted b.
func frameSize(b []byte) int {
	if len(b) < headerSize {
		return headerSize
	}
	_, size, _ := header(b)
	return headerSize + size
}

func parseClose(p []byte) *core.CloseError {
	return &core.CloseError{
		Code:   core.Code(binary.BigEndian.Uint16(p)),
		Reason: core.CutReason(strings.ToValidUTF8(string(p[2:]), "\uFFFD")),
		Remote: true,
	}
}

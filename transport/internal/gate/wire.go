package gate

import (
	"encoding/binary"

	"github.com/parley-net/parley/transport/identity"
)

// Version is the version of the protocol that this package speaks.
const Version = 1

// Kinds of what travels inside sealed packets. Peers of different kinds refuse
// each other.
const (
	KindUDP byte = 1
	KindKCP byte = 2
)

var kindNames = map[byte]string{KindUDP: "udp", KindKCP: "kcp"}

// Sizes in bytes.
const (
	// MinDatagram is the size of datagram that every path must carry, and the size of
	// every hello.
	MinDatagram = 1200
	// MaxDatagram is the largest that a path may prove to carry.
	MaxDatagram = 1452
	// Overhead is what sealing adds to a payload.
	Overhead = sealedHeader + tagSize

	sealedHeader = 1 + cidSize + 4
	tagSize      = 16
	cidSize      = 8
	cookieSize   = 20
	epochSize    = 16
	resetSize    = 16

	plainHeader  = 4 + 1 + 1 + cidSize
	retrySize    = plainHeader + cookieSize + epochSize + 32 + 32
	versionSize  = plainHeader
	resetPacket  = 4 + resetSize
	maxToken     = 640                            // sealed token in an offer
	maxNoise     = 32 + offerSize + maxToken + 16 // the client's handshake message in a hello
	maxRefusal   = 256                            // reason of a refusal
	maxAnswer    = plainHeader + 2 + 32 + 1 + 2 + maxRefusal + 16
	minForReset  = 134 // a stray packet must be this long to be answered: resetPacket ≤ 0.15 × it
	keepaliveMin = minForReset
)

// The first three bytes of every packet that is not sealed; its type is the fourth.
const magic = "prl"

// Types of packets that are not sealed.
const (
	typeHello   = 'H' // client: let me in
	typeRetry   = 'R' // server: say that again, with this cookie
	typeWelcome = 'W' // server: come in
	typeRefuse  = 'N' // server: no
	typeVersion = 'V' // server: I speak another version or kind
	typeReset   = 'X' // server: I know nothing of that connection
)

// Bits of the first byte of a sealed packet. The others are zero.
const (
	flagSealed  = 0x80 // set in every sealed packet, and in no other
	flagPhase   = 0x40 // which of two keys in a row
	flagControl = 0x20 // the payload is the gate's own
	flagsUnused = 0xff &^ (flagSealed | flagPhase | flagControl)
)

// The first byte of the payload of a control packet.
const (
	opBeat      = 0 // I am here; may be followed by padding
	opPing      = 1 // are you there?
	opPong      = 2 // I am
	opChallenge = 3 // eight bytes, to be repeated from where they arrived
	opResponse  = 4 // those eight bytes
	opClose     = 5 // code, uint16, and reason: this is the end
	opClosed    = 6 // so be it
)

var order = binary.LittleEndian

// hello is a parsed hello. Its slice aliases the packet.
type hello struct {
	version, kind byte
	cid           uint64
	cookie        [cookieSize]byte
	noise         []byte // empty in the first hello
}

// plain is the header of every packet that is not sealed and not a reset.
func appendPlain(b []byte, typ, kind byte, cid uint64) []byte {
	b = append(b, magic...)
	b = append(b, typ, Version, kind)
	return order.AppendUint64(b, cid)
}

// isPlain reports whether p begins as a packet of type typ.
func isPlain(p []byte, typ byte) bool {
	return len(p) >= 4 && string(p[:3]) == magic && p[3] == typ
}

func appendHello(b []byte, h hello) []byte {
	start := len(b)
	b = appendPlain(b, typeHello, h.kind, h.cid)
	b = append(b, h.cookie[:]...)
	b = order.AppendUint16(b, uint16(len(h.noise)))
	b = append(b, h.noise...)
	return append(b, make([]byte, MinDatagram-(len(b)-start))...)
}

// parseHello reads a hello of any version; of another one only the header is there.
func parseHello(p []byte) (h hello, ok bool) {
	if len(p) != MinDatagram || !isPlain(p, typeHello) {
		return hello{}, false
	}
	h.version, h.kind, h.cid = p[4], p[5], order.Uint64(p[6:])
	if h.version != Version {
		return h, true
	}
	p = p[plainHeader:]
	p = p[copy(h.cookie[:], p):]
	if h.noise, _, ok = cutBlock(p, maxNoise); !ok {
		return hello{}, false
	}
	return h, true
}

// cutBlock cuts off a block: its length in two bytes, and the block.
func cutBlock(p []byte, limit int) (block, rest []byte, ok bool) {
	if len(p) < 2 {
		return nil, nil, false
	}
	n := int(order.Uint16(p))
	if n > limit || n > len(p)-2 {
		return nil, nil, false
	}
	return p[2 : 2+n], p[2+n:], true
}

// retry is a parsed retry.
type retry struct {
	cid    uint64
	cookie [cookieSize]byte
	epoch  [epochSize]byte
	keys   identity.PublicKeys
}

func appendRetry(b []byte, kind byte, r *retry) []byte {
	b = appendPlain(b, typeRetry, kind, r.cid)
	b = append(b, r.cookie[:]...)
	b = append(b, r.epoch[:]...)
	b = append(b, r.keys.Ed25519[:]...)
	return append(b, r.keys.X25519[:]...)
}

func parseRetry(p []byte, kind byte) (r retry, ok bool) {
	if len(p) != retrySize || !isPlain(p, typeRetry) || p[4] != Version || p[5] != kind {
		return retry{}, false
	}
	r.cid = order.Uint64(p[6:])
	p = p[plainHeader:]
	p = p[copy(r.cookie[:], p):]
	p = p[copy(r.epoch[:], p):]
	p = p[copy(r.keys.Ed25519[:], p):]
	copy(r.keys.X25519[:], p)
	return r, true
}

// appendAnswer makes a welcome or a refusal: the second handshake message.
func appendAnswer(b []byte, typ, kind byte, cid uint64, noise []byte) []byte {
	b = appendPlain(b, typ, kind, cid)
	b = order.AppendUint16(b, uint16(len(noise)))
	return append(b, noise...)
}

func parseAnswer(p []byte, typ, kind byte) (cid uint64, noise []byte, ok bool) {
	if len(p) < plainHeader || len(p) > maxAnswer || !isPlain(p, typ) || p[4] != Version || p[5] != kind {
		return 0, nil, false
	}
	noise, rest, ok := cutBlock(p[plainHeader:], len(p))
	return order.Uint64(p[6:]), noise, ok && len(rest) == 0
}

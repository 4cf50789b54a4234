package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sizes in bytes. The layout is in the package comment.
const (
	// Size is the size of every sealed token, so that it tells nothing of what is inside.
	Size = 512
	// MaxData is how long a grant's Data may be.
	MaxData = 256

	maxUser    = 128
	maxServer  = 64
	maxContent = contentSize - fixedSize - 4 // two lengths of one byte, one of two

	version     = 1
	headerSize  = 1 + keyIDSize + 8 // in clear, and authenticated
	nonceSize   = chacha20poly1305.NonceSizeX
	contentSize = Size - headerSize - nonceSize - chacha20poly1305.Overhead
	idSize      = 16
	fixedSize   = idSize + pskSize + 8
)

var order = binary.LittleEndian

// header is what a sealed token shows to everybody.
type header struct {
	key     [keyIDSize]byte
	expires int64 // Unix milliseconds
}

func (h header) append(b []byte) []byte {
	b = append(b, version)
	b = append(b, h.key[:]...)
	return order.AppendUint64(b, uint64(h.expires))
}

// parseHeader reports whether sealed has the form of a token of this version.
func parseHeader(sealed []byte) (h header, ok bool) {
	if len(sealed) != Size || sealed[0] != version {
		return header{}, false
	}
	copy(h.key[:], sealed[1:])
	h.expires = int64(order.Uint64(sealed[1+keyIDSize:]))
	return h, true
}

// content is what is inside.
type content struct {
	id      [idSize]byte
	psk     PSK
	issued  int64 // Unix milliseconds
	user    string
	servers []string
	data    []byte
}

// check says why a content cannot travel. What it accepts fits, and is read back equal.
func (c *content) check() error {
	if err := checkName("user", c.user, maxUser); err != nil {
		return err
	}
	if len(c.servers) == 0 {
		return errors.New("it names no server: list those that the player may enter")
	}
	size := len(c.user) + len(c.data)
	for _, s := range c.servers {
		if err := checkName("server", s, maxServer); err != nil {
			return err
		}
		size += 1 + len(s)
	}
	if len(c.data) > MaxData {
		return fmt.Errorf("its data has %d bytes, at most %d are allowed", len(c.data), MaxData)
	}
	if size > maxContent {
		return fmt.Errorf("user, servers and data need %d bytes, and %d fit: name fewer servers or give less data", size, maxContent)
	}
	return nil
}

func checkName(what, name string, limit int) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s has no name", what)
	case len(name) > limit:
		return fmt.Errorf("the name of the %s has %d bytes, at most %d are allowed", what, len(name), limit)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name of the %s is no UTF-8", what)
	}
	return nil
}

// append writes a content that passed check, and zeros up to contentSize.
func (c *content) append(b []byte) []byte {
	start := len(b)
	b = append(b, c.id[:]...)
	b = append(b, c.psk[:]...)
	b = order.AppendUint64(b, uint64(c.issued))
	b = append(b, byte(len(c.user)))
	b = append(b, c.user...)
	b = append(b, byte(len(c.servers)))
	for _, s := range c.servers {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	b = order.AppendUint16(b, uint16(len(c.data)))
	b = append(b, c.data...)
	return append(b, make([]byte, contentSize-(len(b)-start))...)
}

// parseContent reads what append writes, and nothing else. The data aliases b.
func parseContent(b []byte) (c content, err error) {
	if len(b) != contentSize {
		return content{}, fmt.Errorf("it has %d bytes, not %d", len(b), contentSize)
	}
	b = b[copy(c.id[:], b):]
	b = b[copy(c.psk[:], b):]
	c.issued = int64(order.Uint64(b))
	b = b[8:]
	whole := true
	take := func(n int) (block []byte) {
		if n > len(b) {
			whole = false
			n = len(b)
		}
		block, b = b[:n:n], b[n:]
		return block
	}
	length := func() int {
		if l := take(1); len(l) == 1 {
			return int(l[0])
		}
		return 0
	}
	c.user = string(take(length()))
	c.servers = make([]string, length())
	for i := range c.servers {
		c.servers[i] = string(take(length()))
	}
	low := length()
	c.data = take(low | length()<<8)
	if !whole {
		return content{}, errors.New("it ends in the middle")
	}
	for _, zero := range b {
		if zero != 0 {
			return content{}, errors.New("something stands behind its end")
		}
	}
	return c, c.check()
}

// seal encrypts a content that passed check.
func seal(k Key, expires int64, nonce [nonceSize]byte, c *content) []byte {
	sealed := header{k.id, expires}.append(make([]byte, 0, Size))
	sealed = append(sealed, nonce[:]...)
	return k.aead.Seal(sealed, nonce[:], c.append(make([]byte, 0, contentSize)), sealed[:headerSize])
}

// open decrypts a sealed token whose header was parsed. It returns nil if it was not
// sealed with this key or was changed since.
func open(k Key, sealed []byte) []byte {
	nonce, box := sealed[headerSize:headerSize+nonceSize], sealed[headerSize+nonceSize:]
	text, err := k.aead.Open(make([]byte, 0, contentSize), nonce, box, sealed[:headerSize])
	if err != nil {
		return nil
	}
	return text
}

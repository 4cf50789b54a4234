// Package gate is what stands between a datagram socket and the internet: it lets
// in who has proven an address and holds the right keys, and gives each of them
// a [Link] of sealed packets. The adapters udp and kcp stand on it.
//
//	client                                                    server
//	HELLO    1200 bytes, zeros but for an id        ───▶      keeps nothing
//	         ◀───   cookie, epoch, public keys      RETRY     at most 0.1 of the hello
//	HELLO    the cookie, Noise message 1: token     ───▶      checks the cookie, then computes
//	         ◀───   Noise message 2: id, limits     WELCOME   sent only in answer
//	sealed packet                                   ───▶      a Link; the token is spent
//	         ◀───                                   sealed packets
//
// The handshake is Noise_NKpsk2_25519_ChaChaPoly_SHA256; its prologue binds what was
// said in clear, the cookie among it. Packets are sealed with AES-128-GCM under an
// explicit 64-bit number that is never used twice, and opened only once each (RFC 6479).
// What others can make us do and hold is bounded in limit.go.
//
// docs/protocol.md has the bytes.
//
// # What remains
//
// Who does not see the packets can fill the line, and nothing else: ids are 64 random
// bits, and what he gets for his bytes, or sends to others through us, is 0.15 of them.
//
// Who sees them, and can send with any address, cannot read, change, forge or replay one.
// While he is there, and for a second more, he can delay a dial with forged retries, and
// keep a household out by using up its share of handshakes. If he is faster than the
// client with a copy of every packet, and carries challenge and answer as well, the
// server's packets go to him, sealed, until he stops: he is then a NAT like any other. He
// can tell which packets belong to one connection. Who can also stop packets can stop all.
//
// Who has addresses, of which an IPv6 /64 counts as one, has handshakes: 20 a second each,
// and 64 under way. With 16 of them he can fill the table of a server that wants no
// tokens, as he can fill its seats. One that wants tokens gives places only to who has
// one, and a few for each.
//
// Who is in, and misbehaves, costs his packets and 150 answers a second at most; what he
// says inside them is for the adapter to judge. Who steals the server's key reads the
// sealed tokens of hellos that he has recorded, but no packet.
package gate

// Package gate is what stands between a datagram socket and the internet: it lets
// in who has proven an address and holds the right keys, and gives each of them
// a [Link] of sealed packets. The adapters udp and kcp stand on it.
//
//	client                                                    server
//	HELLO    1200 bytes, zeros but for an id        ───▶      keeps nothing
//	         ◀───   cookie, epoch, public keys      RETRY     at most 0.1 of the hello
//	HELLO    the cookie, Noise message 1, token     ───▶      checks the cookie, then computes
//	         ◀───   Noise message 2: id, limits     WELCOME   sent only in answer
//	sealed packet                                   ───▶      a Link; the token is spent
//	         ◀───                                   sealed packets
//
// The handshake is Noise_NKpsk2_25519_ChaChaPoly_SHA256; its prologue binds what was
// said in clear. Packets are sealed with AES-128-GCM under an explicit 64-bit
// number that is never used twice, and opened only once each (RFC 6479). Every path
// through which a stranger can make the server work is bounded in limit.go.
//
// docs/protocol.md has the bytes.
package gate

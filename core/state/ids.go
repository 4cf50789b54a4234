package state

import "strconv"

// ObjectID names an object within its world. The server gives ids from 1 upward
// and never twice; 0 is no object.
type ObjectID uint32

// PlayerID names a player within a room: 1 and upward, never given twice. It is
// also the owner of objects; Server owns what no player does.
type PlayerID uint32

// Server is the owner of objects that belong to no player.
const Server PlayerID = 0

// String returns "server" or "player 3".
func (p PlayerID) String() string {
	if p == Server {
		return "server"
	}
	return "player " + strconv.FormatUint(uint64(p), 10)
}

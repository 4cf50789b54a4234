// Package lobby is who is in a room: players with their status, their ready flags
// and what they say about themselves, as a plain state machine without network,
// clock or goroutines. The server's room keeps one, and each client a copy of it.
//
//	        Join           Lose
//	nobody ──────▶ OK ─────────────▶ LostConnection
//	               │ ◀───────────────  │
//	               │      Regain       │
//	               │ Leave             │ Leave: the player left, was kicked,
//	               ▼                   ▼        or did not come back in time
//	             Disconnected, and the seat is free
//
// A match usually begins by waiting for its players (thesis §5.2.7):
//
//	if err := room.Lobby().Wait(lobby.AllReady(2)); err != nil {
//		return err
//	}
//
// and a client shows who is there:
//
//	for p := range c.Lobby().Players() {
//		var info Info
//		if err := c.InfoOf(p, &info); err == nil {
//			fmt.Println(info.Name, p.Status, p.Ready)
//		}
//	}
//
// Whoever may not come in gets a *RefusedError, on the client from Dial, with a code
// for the program and a reason for the player.
package lobby

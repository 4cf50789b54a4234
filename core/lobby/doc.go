// Package lobby is who is in a room: players with their status, their ready flags
// and what they say about themselves, as a plain state machine without network,
// clock or goroutines. The server's room keeps one, and each client a copy.
//
//	          Join            Lose             Leave (or its grace ran out)
//	(nobody) ─────▶  OK  ─────────▶ LostConnection ─────────▶ Disconnected
//	                 ▲ ◀──────────── │                         ▲
//	                 │     Regain                              │
//	                 └──────────── Leave, Kick ────────────────┘
//
// A match usually begins by waiting for its players (thesis §5.2.7):
//
//	if err := room.Lobby().Wait(lobby.AllReady(2)); err != nil {
//		return err
//	}
package lobby

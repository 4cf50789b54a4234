// Package codec is the default codec: MessagePack.
package codec

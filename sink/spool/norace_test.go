//go:build !race

package spool

const race = false

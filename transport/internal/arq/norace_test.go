//go:build !race

package arq

const raced = false

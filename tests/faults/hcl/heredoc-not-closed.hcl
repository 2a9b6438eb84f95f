path "a" {
  comment = <<END
  text
}

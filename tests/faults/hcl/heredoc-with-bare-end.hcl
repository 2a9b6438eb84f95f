path "a" {
  comment = <<-END
  text
END
}

name = ["shop"]

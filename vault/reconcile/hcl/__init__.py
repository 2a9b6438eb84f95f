"""HCL policies: the syntax, and the rules that a policy grants."""

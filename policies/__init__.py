"""The HCL policies, and what can be said of them."""

"""Local deployment on AWS, which is moto in its place."""
